// A one-shot beside a running client or alone, and what it makes of any lines: it ends once, says
// one thing last, orders only what has a form on the socket, and prints nothing that could steer a
// terminal.
#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "common/base/text.h"
#include "peer-client/cli/line_splitter.h"
#include "peer-client/oneshot/command_json.h"
#include "peer-client/oneshot/result_text.h"
#include "peer-client/oneshot/task.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;
using namespace p2p::client;
using namespace p2p::client::oneshot;
using Json = nlohmann::ordered_json;

void CheckHarmless(const std::string& text) {
  P2P_CHECK(IsValidUtf8(text));
  for (const char c : text) P2P_CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
}

class Judge final : public TaskOutput {
 public:
  void OnEvent(const Json& event) override { CheckHarmless(EventText(event)); }
  void OnResult(const Json& event) override {
    CheckHarmless(ResultText(event));
    ++endings;
  }
  void OnError(const std::string& code, const std::string&) override {
    P2P_CHECK(!code.empty());
    ++endings;
  }
  void OnNote(const std::string&) override {}
  int endings = 0;
};

class World {
 public:
  World(uint8_t verb, uint8_t kind)
      : task_(Spec(verb, kind), (kind & 1) != 0 ? Task::Place::kBeside : Task::Place::kAlone,
              judge_) {
    task_.Start((kind & 2) != 0, now_);
    After();
  }
  // "+250" lets time pass; everything else is a line of the client.
  void OnLine(absl::string_view line) {
    if (line.substr(0, 1) == "+") {
      now_ += std::chrono::milliseconds(line.size() > 1 ? line[1] * 100 : 1);
      const auto next = task_.NextDeadline();
      if (next && *next <= now_) task_.OnTimer(now_);
      return After();
    }
    const Json event = Json::parse(line.begin(), line.end(), nullptr, false);
    if (event.is_object()) task_.OnEvent(event, now_);
    After();
  }

 private:
  static TaskSpec Spec(uint8_t verb, uint8_t kind) {
    TaskSpec spec;
    spec.verb = static_cast<Verb>(verb % (static_cast<int>(Verb::kWatch) + 1));
    spec.name = "bob";
    spec.text = "text";
    if (spec.verb == Verb::kBroadcast) {
      if ((kind & 4) != 0) spec.goal = DeliveryGoal{.percent = 90, .count = 0};
      if ((kind & 8) != 0) spec.goal = DeliveryGoal{.percent = 0, .count = 2};
      spec.dry_run = !spec.goal && (kind & 16) != 0;
    }
    return spec;
  }
  void After() {
    const auto commands = task_.TakeCommands();
    P2P_CHECK(commands.size() <= 2);
    P2P_CHECK(!ended_ || commands.empty());
    for (const Command& command : commands) P2P_CHECK(!ToJsonCommand(command).view().empty());
    P2P_CHECK(judge_.endings == (task_.exit_code() ? 1 : 0));
    ended_ = task_.exit_code().has_value();
    P2P_CHECK(!ended_ || !task_.NextDeadline());
  }

  MonoTime now_{1h};
  Judge judge_;
  Task task_;
  bool ended_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::OpStream in(ByteView(data, size));
  const uint8_t verb = in.U8();
  World world(verb, in.U8());
  LineSplitter lines;
  const auto give = [&](absl::string_view line) { world.OnLine(line); };
  lines.Add(AsText(in.Take(size)), give);
  lines.Finish(give);
  return 0;
}
