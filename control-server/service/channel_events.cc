#include "control-server/service/channel_events.h"

#include <algorithm>

#include "common/base/text.h"
#include "control-server/service/broadcast_report.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

std::shared_ptr<v1::ServerEvent> NewEvent() { return std::make_shared<v1::ServerEvent>(); }

}  // namespace

v1::RequestState ToProto(RequestState state) {
  switch (state) {
    case RequestState::kPending:
      return v1::PENDING;
    case RequestState::kApproved:
      return v1::APPROVED;
    case RequestState::kDenied:
      return v1::DENIED;
    case RequestState::kExpired:
      return v1::EXPIRED;
    case RequestState::kCancelled:
      return v1::CANCELLED;
    case RequestState::kUnavailable:
      return v1::UNAVAILABLE;
  }
  return v1::REQUEST_STATE_UNSPECIFIED;
}

google::protobuf::Timestamp ToProto(WallTime time) {
  google::protobuf::Timestamp out;
  SetTimestamp(time, out);
  return out;
}

EventPtr PeerRequestEvent(const PeerRequest& request, const net::IpAddress& shown, Duration left) {
  auto event = NewEvent();
  auto& out = *event->mutable_peer_request();
  out.set_request_id(request.id.Hex());
  out.set_from(request.requester.username);
  out.set_ip_address(shown.ToString());
  out.set_reason(request.reason);
  out.set_expires_in_ms(static_cast<uint32_t>(std::max<int64_t>(left / 1ms, 0)));
  return event;
}

EventPtr OutcomeEvent(const PeerRequest& request, UserId party) {
  const bool by_me = request.requester.user == party;
  auto event = NewEvent();
  auto& out = *event->mutable_request_outcome();
  out.set_request_id(request.id.Hex());
  out.set_peer(by_me ? request.target.username : request.requester.username);
  out.set_state(ToProto(request.state));
  out.set_requested_by_me(by_me);
  return event;
}

EventPtr IntroductionEvent(const IntroductionRecord& record, UserId party) {
  auto event = NewEvent();
  auto& out = *event->mutable_introduction();
  out.set_request_id(record.id.Hex());
  out.set_signed_object(ToString(record.signed_object));
  out.set_signature(ToString(record.signature));
  out.set_requested_by_me(record.requester == party);
  return event;
}

EventPtr PenaltyEvent(const PenaltyBook::Penalty& penalty) {
  auto event = NewEvent();
  auto& out = *event->mutable_penalty();
  out.set_reason(penalty.reason);
  *out.mutable_start() = ToProto(penalty.start);
  *out.mutable_end() = ToProto(penalty.end);
  out.set_next_step(penalty.next_step);
  return event;
}

EventPtr PresenceEvent(const PresenceChanges::Batch& batch) {
  auto event = NewEvent();
  auto& out = *event->mutable_presence();
  out.mutable_arrived()->Assign(batch.arrived.begin(), batch.arrived.end());
  out.mutable_left()->Assign(batch.left.begin(), batch.left.end());
  out.set_list_again(batch.list_again);
  return event;
}

EventPtr DetachedEvent(v1::Detached::Reason reason, const std::string& message) {
  auto event = NewEvent();
  event->mutable_detached()->set_reason(reason);
  event->mutable_detached()->set_message(message);
  return event;
}

EventPtr RejectedEvent(const std::string& request_id, const std::string& message) {
  auto event = NewEvent();
  if (request_id.size() <= 2 * RequestId::kSize) {
    event->mutable_rejected()->set_request_id(request_id);
  }
  event->mutable_rejected()->set_message(message);
  return event;
}

DeliveryVia ShownVia(const v1::BroadcastAck& ack) {
  if (ack.via() == v1::BroadcastAck::UDP) return DeliveryVia::kUdp;
  if (ack.via() == v1::BroadcastAck::CHANNEL) return DeliveryVia::kChannel;
  return DeliveryVia::kNone;
}

grpc::Status PenaltyStatus(const PenaltyBook::Penalty& penalty) {
  return WithErrorInfo(grpc::StatusCode::PERMISSION_DENIED, penalty.reason, "PENALTY",
                       {{"reason", penalty.reason},
                        {"start", FormatRfc3339(penalty.start)},
                        {"end", FormatRfc3339(penalty.end)},
                        {"next_step", penalty.next_step}});
}

}  // namespace p2p::server
