// What a user, a script or the local socket says to a client: bytes become the same lines however
// they are cut, and each line is a command, typed or in JSON; a command's JSON form means the same.
#include <string>
#include <vector>

#include "common/base/check.h"
#include "peer-client/app/plain_input.h"
#include "peer-client/cli/json_lines.h"
#include "peer-client/cli/line_splitter.h"
#include "peer-client/oneshot/command_json.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;
using namespace p2p::client;

template <class... T>
bool IsOneOf(const Command& command) {
  return (std::holds_alternative<T>(command) || ...);
}

// What a one-shot orders of a running client.
bool HasJsonForm(const Command& command) {
  return IsOneOf<cmd::Signup, cmd::Login, cmd::Logout, cmd::List, cmd::Request, cmd::Msg,
                 cmd::SendFile, cmd::Broadcast, cmd::BroadcastStatus, cmd::BroadcastRevoke,
                 cmd::Verify, cmd::Doctor>(command);
}

void CheckCommand(const Command& command) {
  if (const auto* bad = std::get_if<cmd::Bad>(&command)) P2P_CHECK(!bad->message.empty());
  if (const auto* approve = std::get_if<cmd::Approve>(&command)) {
    P2P_CHECK(approve->limit >= Duration::zero() && approve->limit <= 24h * 366 * 10);
  }
  if (const auto* broadcast = std::get_if<cmd::Broadcast>(&command)) {
    P2P_CHECK(broadcast->ttl_s <= 1800);
  }
  if (const auto* history = std::get_if<cmd::History>(&command)) {
    P2P_CHECK(history->most >= 1 && history->most <= 1000);
  }
  if (!HasJsonForm(command)) return;
  const SecretText line = oneshot::ToJsonCommand(command);
  P2P_CHECK(line.view().find('\n') == line.view().size() - 1);
  const Command again = ParseJsonCommand(line.view().substr(0, line.view().size() - 1));
  P2P_CHECK(again.index() == command.index());
  P2P_CHECK(oneshot::ToJsonCommand(again).view() == line.view());
}

std::vector<std::string> Lines(ByteView in, const std::vector<size_t>& cuts) {
  LineSplitter splitter;
  std::vector<std::string> lines;
  const auto keep = [&](absl::string_view line) { lines.emplace_back(line); };
  fuzz::OpStream rest(in);
  for (size_t i = 0; !rest.empty(); ++i)
    splitter.Add(AsText(rest.Take(cuts[i % cuts.size()])), keep);
  splitter.Finish(keep);
  P2P_CHECK(splitter.too_long() == 0);
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::OpStream in(ByteView(data, size));
  const uint8_t face = in.U8();
  const size_t step = 1 + in.U8() % 16;
  const ByteView text = in.Take(size);
  const auto lines = Lines(text, {size});
  P2P_CHECK(Lines(text, {step}) == lines && Lines(text, {1, step}) == lines);
  PlainContext plain;
  plain.logged_in = (face & 1) != 0;
  plain.request_waits = (face & 2) != 0;
  if ((face & 4) != 0) plain.focus = "bob";
  for (const std::string& line : lines) {
    P2P_CHECK(line.find('\n') == std::string::npos);
    CheckCommand(ParseSlash(line));
    CheckCommand(ParsePlain(line, plain));
    const Command command = ParseJsonCommand(line);
    P2P_CHECK(LooksLikeJson(line) || std::holds_alternative<cmd::Bad>(command));
    CheckCommand(command);
  }
  return 0;
}
