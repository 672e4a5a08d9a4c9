// Events down the ApprovalChannel and statuses of PeeringService, from the values of the domain.
#pragma once

#include <memory>
#include <string>

#include "control-server/domain/peer_requests.h"
#include "control-server/domain/penalty.h"
#include "control-server/domain/presence_changes.h"
#include "control-server/domain/records.h"
#include "grpcpp/support/status.h"
#include "p2p/v1/peering.pb.h"

namespace p2p::server {

using EventPtr = std::shared_ptr<const v1::ServerEvent>;

v1::RequestState ToProto(RequestState state);
google::protobuf::Timestamp ToProto(WallTime time);

EventPtr PeerRequestEvent(const PeerRequest& request, const net::IpAddress& shown, Duration left);
EventPtr OutcomeEvent(const PeerRequest& request, UserId party);
EventPtr IntroductionEvent(const IntroductionRecord& record, UserId party);
EventPtr PenaltyEvent(const PenaltyBook::Penalty& penalty);
EventPtr PresenceEvent(const PresenceChanges::Batch& batch);
EventPtr DetachedEvent(v1::Detached::Reason reason, const std::string& message);
// `request_id` as the client wrote it; cut when it cannot be one.
EventPtr RejectedEvent(const std::string& request_id, const std::string& message);

// By which way the broadcast came first, as the client says; kNone: it does not.
DeliveryVia ShownVia(const v1::BroadcastAck& ack);

// PERMISSION_DENIED with ErrorInfo: reason PENALTY; metadata reason, start, end (RFC 3339),
// next_step.
grpc::Status PenaltyStatus(const PenaltyBook::Penalty& penalty);

}  // namespace p2p::server
