// What a server says to a client: whatever it is, times stay in a range that can be reckoned with,
// waits in theirs, and what is shown of it cannot steer a terminal nor break a line of JSON.
#include <google/protobuf/stubs/logging.h>

#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/address.h"
#include "peer-client/cli/json_lines.h"
#include "peer-client/cli/plain_text.h"
#include "peer-client/control/convert.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;
using namespace p2p::client;

const WallTime kNow = WallFromMs(1'700'000'000'000);

template <class Message>
std::optional<Message> Parsed(ByteView in) {
  Message message;
  if (!message.ParseFromArray(in.data(), static_cast<int>(in.size()))) return std::nullopt;
  return message;
}

// A difference to now fits a Duration, with room to add to it.
void CheckTime(WallTime t) {
  const Duration since = t - kNow;
  P2P_CHECK(since < 24h * 365 * 200 && since > -24h * 365 * 200);
  P2P_CHECK(!FormatRfc3339(t).empty());
}
void CheckSpan(Duration d, Duration longest) { P2P_CHECK(d >= Duration::zero() && d <= longest); }

void CheckShown(const Output& output) {
  const auto line = ToJsonLine(output, kNow);
  P2P_CHECK(line && nlohmann::json::parse(*line).is_object());
  for (const char c : *line) P2P_CHECK(c >= 0x20 && c < 0x7f);
  PlainStyle style;
  style.server = "home:4400";
  for (const char c : ToPlainText(output, kNow, style)) {
    P2P_CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  }
}

void CheckEvent(const v1::ServerEvent& message) {
  const auto event = ToChannelEvent(message);
  if (!event) return;
  if (const auto* attached = std::get_if<event::Attached>(&*event)) {
    CheckTime(attached->server_time);
    CheckSpan(attached->broadcast_retention, 24h * 366);
    CheckSpan(attached->reconnect_window, 24h * 50);
  } else if (const auto* request = std::get_if<event::PeerRequest>(&*event)) {
    CheckSpan(request->expires_in, 24h * 50);
    CheckShown(out::PeerRequest{request->request_id, request->from, request->ip_address,
                                request->reason, request->expires_in, false});
  } else if (const auto* notice = std::get_if<event::PenaltyNotice>(&*event)) {
    if (notice->penalty.until) CheckTime(*notice->penalty.until);
    CheckShown(out::Penalised{notice->penalty.reason, notice->penalty.until.value_or(kNow),
                              notice->penalty.next_step});
  } else if (const auto* outcome = std::get_if<event::RequestOutcome>(&*event)) {
    CheckShown(out::RequestOutcome{outcome->request_id, outcome->peer, outcome->outcome});
  } else if (const auto* rejected = std::get_if<event::Rejected>(&*event)) {
    CheckShown(out::Error{"FAILED_PRECONDITION", rejected->message, ""});
  }
}

// The first byte is the code, the rest the trailers' details.
void CheckStatus(ByteView in) {
  fuzz::OpStream stream(in);
  const auto code = static_cast<grpc::StatusCode>(stream.U8() % 17);
  const bool answered = stream.U8() % 4 != 0;
  const std::string details = ToString(stream.Take(in.size()));
  const CallError error = ToCallError(grpc::Status(code, "a server's words", details), answered);
  P2P_CHECK(error.answered == answered);
  if (error.retry_after) CheckSpan(*error.retry_after, 1h);
  if (error.penalty && error.penalty->until) CheckTime(*error.penalty->until);
  P2P_CHECK(answered || (!error.retry_after && !error.penalty));
}

void CheckLogin(const v1::LoginResponse& response) {
  const Session session = ToSession(response);
  CheckTime(session.expires_at);
  P2P_CHECK(session.token.view() == response.session_token());
  CheckShown(out::LoggedIn{session.username, session.choices, false});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // It would tell of everything that cannot be parsed.
  fuzz::OpStream in(ByteView(data, size));
  const uint8_t kind = in.U8();
  const ByteView bytes = in.Take(size);
  switch (kind % 6) {
    case 0:
      if (const auto event = Parsed<v1::ServerEvent>(bytes)) CheckEvent(*event);
      break;
    case 1:
      CheckStatus(bytes);
      break;
    case 2:
      if (const auto status = Parsed<v1::GetBroadcastResponse>(bytes)) {
        const out::BroadcastStatus shown = ToBroadcastStatus(*status);
        CheckTime(shown.sent_at);
        CheckTime(shown.expires_at);
        CheckShown(shown);
      }
      break;
    case 3:
      if (const auto list = Parsed<v1::ListMyPenaltiesResponse>(bytes)) {
        const out::Penalties shown = ToPenalties(*list);
        for (const auto& entry : shown.entries) CheckTime(entry.end);
        CheckShown(shown);
      }
      break;
    case 4:
      if (const auto check = Parsed<v1::CheckInboundResponse>(bytes)) {
        const InboundInfo info = ToInboundInfo(*check);
        const auto address = net::SocketAddress::Parse(info.address);
        P2P_CHECK(info.address.empty() || (address && address->port == check->port()));
      }
      break;
    default:
      if (const auto login = Parsed<v1::LoginResponse>(bytes)) CheckLogin(*login);
  }
  return 0;
}
