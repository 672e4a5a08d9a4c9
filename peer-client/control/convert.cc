#include "peer-client/control/convert.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/net/address.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kPenaltyReason = "PENALTY";
// A server's wish to be left alone is honoured, but not for longer than its longest cool-down.
constexpr Duration kMaxRetryAfter = 1h;
// Times outside of 1970 to 2200 are taken as their nearer end: the difference of any two fits a
// Duration.
constexpr int64_t kLastSecond = 7'258'118'400;
constexpr uint32_t kMaxRetentionS = 366 * 24 * 3600;

std::optional<WallTime> EndOf(const google::protobuf::Map<std::string, std::string>& metadata) {
  const auto found = metadata.find("end");
  absl::Time end;
  if (found == metadata.end() ||
      !absl::ParseTime(absl::RFC3339_full, found->second, &end, nullptr)) {
    return std::nullopt;
  }
  return WallFromMs(std::clamp<int64_t>(absl::ToUnixMillis(end), 0, kLastSecond * 1000));
}

std::string Value(const google::protobuf::Map<std::string, std::string>& metadata,
                  const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

void ReadDetails(const grpc::Status& status, CallError& error) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return;
  for (const auto& detail : details.details()) {
    google::rpc::RetryInfo retry;
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&retry)) {
      const int64_t whole = std::clamp<int64_t>(retry.retry_delay().seconds(), -1, 3600);
      const Duration wait =
          std::chrono::seconds(whole) + std::chrono::nanoseconds(retry.retry_delay().nanos());
      error.retry_after = std::clamp<Duration>(wait, Duration::zero(), kMaxRetryAfter);
    } else if (detail.UnpackTo(&info) && info.reason() == kPenaltyReason.data()) {
      error.penalty =
          Penalty{error.message, EndOf(info.metadata()), Value(info.metadata(), "next_step")};
      const std::string reason = Value(info.metadata(), "reason");
      if (!reason.empty()) error.penalty->reason = reason;
    }
  }
}

absl::string_view OutcomeName(v1::RequestState state) {
  switch (state) {
    case v1::APPROVED:
      return "approved";
    case v1::DENIED:
      return "denied";
    case v1::EXPIRED:
      return "expired";
    case v1::CANCELLED:
      return "cancelled";
    default:  // UNAVAILABLE, and values of later versions: it did not come about.
      return "unavailable";
  }
}

Bytes ToBytesOf(const std::string& s) { return ToBytes(AsBytes(s)); }

event::Attached ToAttached(const v1::Attached& in) {
  return {ToBytesOf(in.conn_id()),
          ToBytesOf(in.relay_psk()),
          in.relay().ip_address(),
          static_cast<uint16_t>(in.relay().port() > 65535 ? 0 : in.relay().port()),
          std::chrono::milliseconds(in.reconnect_window_ms()),
          std::chrono::seconds(std::min(in.broadcast_retention_s(), kMaxRetentionS)),
          ToWall(in.server_time()),
          in.observed_ip_address()};
}

// Unknown values of a newer server are told as such.
std::string StateName(v1::DeliveryState state) {
  switch (state) {
    case v1::QUEUED:
      return "queued";
    case v1::DELIVERED_UDP:
      return "udp";
    case v1::DELIVERED_CHANNEL:
      return "channel";
    case v1::DELIVERY_EXPIRED:
      return "expired";
    default:
      return "unknown";
  }
}

}  // namespace

CallError ToCallError(const grpc::Status& status, bool answered) {
  CallError error;
  error.code = static_cast<absl::StatusCode>(status.error_code());
  error.message = answered ? status.error_message() : DescribeTransport(status);
  error.answered = answered;
  if (answered) ReadDetails(status, error);
  if (answered && error.message.empty() && error.code == absl::StatusCode::kUnimplemented) {
    error.message = "the server does not offer this";
  }
  return error;
}

std::string DescribeTransport(const grpc::Status& status) {
  const std::string& text = status.error_message();
  const auto says = [&text](absl::string_view what) { return absl::StrContains(text, what); };
  if (says("Connection refused")) return "nobody listens there";
  if (says("DNS resolution failed")) return "the name of the server is not known";
  if (says("wrong version number")) return "that is not a TLS server";
  if (says("certificate verify failed") || says("Custom verification check failed")) {
    return "the server's certificate was refused";
  }
  if (says("keepalive watchdog timeout")) return "the server fell silent";
  if (says("Socket closed") || says("Connection reset by peer") || says("Broken pipe")) {
    return "the server closed the connection";
  }
  if (says("No route to host") || says("Network is unreachable")) return "no way to that network";
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return "no answer in time";
  return text.empty() ? "no answer" : text;
}

bool AnsweredByPeer(const grpc::ClientContext& context, const grpc::Status& status) {
  // gRPC says "from peer" also of a status that it made up when the connection broke.
  static constexpr absl::string_view kMadeUp[] = {
      "Socket closed",   "Connection reset by peer", "Broken pipe",    "Transport closed",
      "GOAWAY received", "keepalive watchdog",       "Stream removed", "Endpoint read failed"};
  const bool broke =
      status.error_code() == grpc::StatusCode::UNAVAILABLE &&
      std::any_of(std::begin(kMadeUp), std::end(kMadeUp), [&](absl::string_view text) {
        return absl::StartsWith(status.error_message(), text);
      });
  return !broke && absl::StrContains(context.debug_error_string(), "Error received from peer");
}

std::vector<Choice> ToChoices(const google::protobuf::RepeatedField<int>& choices) {
  std::vector<Choice> out;
  for (const int choice : choices) {
    if (choice == v1::LOGIN) out.push_back(Choice::kLogin);
    if (choice == v1::SIGNUP) out.push_back(Choice::kSignup);
    if (choice == v1::LIST_ACTIVE) out.push_back(Choice::kListActive);
    if (choice == v1::BROADCAST) out.push_back(Choice::kBroadcast);
  }
  return out;
}

WallTime ToWall(const google::protobuf::Timestamp& timestamp) {
  const int64_t seconds = std::clamp<int64_t>(timestamp.seconds(), 0, kLastSecond);
  return WallFromMs(seconds * 1000 + std::clamp(timestamp.nanos(), 0, 999'999'999) / 1'000'000);
}

RequestStatusInfo ToRequestStatus(const v1::GetRequestResponse& response) {
  if (response.state() == v1::PENDING) return {"pending"};
  return {std::string(OutcomeName(response.state()))};
}

out::BroadcastStatus ToBroadcastStatus(const v1::GetBroadcastResponse& response) {
  const auto& info = response.broadcast();
  out::BroadcastStatus out{
      info.broadcast_id(), info.sender(), ToWall(info.sent_at()), ToWall(info.expires_at()),
      info.revoked(),      info.due(),    info.delivered(),       {}};
  for (const auto& delivery : response.deliveries()) {
    out.deliveries.push_back(
        {delivery.username(), StateName(delivery.state()),
         delivery.has_at() ? std::optional(ToWall(delivery.at())) : std::nullopt});
  }
  return out;
}

out::Penalties ToPenalties(const v1::ListMyPenaltiesResponse& response) {
  out::Penalties out;
  for (const auto& penalty : response.penalties()) {
    out.entries.push_back({penalty.reason(), ToWall(penalty.start()), ToWall(penalty.end()),
                           penalty.next_step(), penalty.count()});
  }
  return out;
}

InboundInfo ToInboundInfo(const v1::CheckInboundResponse& response) {
  using Result = InboundInfo::Result;
  InboundInfo out;
  out.challenge = ToBytesOf(response.challenge());
  const auto ip = net::IpAddress::Parse(response.ip_address());
  if (ip && response.port() <= UINT16_MAX) {
    out.address = net::SocketAddress{*ip, static_cast<uint16_t>(response.port())}.ToString();
  }
  switch (response.result()) {
    case v1::CheckInboundResponse::RESULT_UNSPECIFIED:
      out.result = Result::kBegun;
      break;
    case v1::CheckInboundResponse::REACHED:
      out.result = Result::kReached;
      break;
    case v1::CheckInboundResponse::REFUSED:
      out.result = Result::kRefused;
      break;
    case v1::CheckInboundResponse::SOMEBODY_ELSE:
      out.result = Result::kSomebodyElse;
      break;
    default:
      out.result = Result::kNoAnswer;
  }
  return out;
}

Session ToSession(const v1::LoginResponse& response) {
  return {response.username(),
          ToBytesOf(response.user_id()),
          SecretText(response.session_token()),
          ToWall(response.session_expires_at()),
          ToChoices(response.choices()),
          ToBytesOf(response.server_keys().introducer_public_key()),
          ToBytesOf(response.server_keys().broadcast_public_key()),
          SecretText(response.resume_token())};
}

std::optional<ChannelEvent> ToChannelEvent(const v1::ServerEvent& in) {
  switch (in.event_case()) {
    case v1::ServerEvent::kAttached:
      return ToAttached(in.attached());
    case v1::ServerEvent::kPeerRequest: {
      const auto& request = in.peer_request();
      return event::PeerRequest{request.request_id(), request.from(), request.ip_address(),
                                request.reason(),
                                std::chrono::milliseconds(request.expires_in_ms())};
    }
    case v1::ServerEvent::kRequestOutcome:
      return event::RequestOutcome{in.request_outcome().request_id(), in.request_outcome().peer(),
                                   std::string(OutcomeName(in.request_outcome().state()))};
    case v1::ServerEvent::kIntroduction:
      return event::Introduction{
          in.introduction().request_id(), ToBytesOf(in.introduction().signed_object()),
          ToBytesOf(in.introduction().signature()), in.introduction().requested_by_me()};
    case v1::ServerEvent::kPenalty:
      return event::PenaltyNotice{
          {in.penalty().reason(), ToWall(in.penalty().end()), in.penalty().next_step()}};
    case v1::ServerEvent::kRelayRestarted:
      return event::RelayRestarted{
          ToBytesOf(in.relay_restarted().conn_id()), ToBytesOf(in.relay_restarted().relay_psk()),
          in.relay_restarted().relay().ip_address(),
          static_cast<uint16_t>(in.relay_restarted().relay().port() > 65535
                                    ? 0
                                    : in.relay_restarted().relay().port())};
    case v1::ServerEvent::kBroadcast:
      return event::Broadcast{in.broadcast().broadcast_id(),
                              ToBytesOf(in.broadcast().signed_object()),
                              ToBytesOf(in.broadcast().signature()), in.broadcast().text()};
    case v1::ServerEvent::kBroadcastRevoked:
      return event::BroadcastRevoked{in.broadcast_revoked().broadcast_id()};
    case v1::ServerEvent::kDetached:
      return event::Detached{in.detached().reason() == v1::Detached::TAKEN_OVER,
                             in.detached().reason() == v1::Detached::LOGGED_OUT,
                             in.detached().message()};
    case v1::ServerEvent::kRejected:
      return event::Rejected{in.rejected().request_id(), in.rejected().message()};
    case v1::ServerEvent::kPresence:  // Not asked for.
    case v1::ServerEvent::EVENT_NOT_SET:
      break;
  }
  return std::nullopt;
}

void FillCandidates(const PeerOffer& offer, google::protobuf::RepeatedPtrField<v1::Endpoint>* out) {
  for (const auto& candidate : offer.candidates) {
    auto* endpoint = out->Add();
    endpoint->set_ip_address(candidate.ip_address);
    endpoint->set_port(candidate.port);
  }
}

}  // namespace p2p::client
