// Fields of the peering API, checked: from messages to values of the domain. Errors are
// InvalidArgument (or FailedPrecondition where said) and start with the field's name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-server/domain/peer_requests.h"
#include "control-server/domain/target.h"
#include "p2p/v1/peering.pb.h"

namespace p2p::server {

struct RequestPeerFields {
  Target target;
  std::string reason;
  wire::IntroNonce nonce{};
  std::vector<net::SocketAddress> candidates;
};

// FailedPrecondition: everything is well but the nonce is missing.
absl::StatusOr<RequestPeerFields> CheckRequestPeer(const v1::RequestPeerRequest& request);

struct ApproveFields {
  RequestId id;
  wire::IntroNonce nonce{};
  std::vector<net::SocketAddress> candidates;
};
absl::StatusOr<ApproveFields> CheckApprove(const v1::Approve& approve);

absl::StatusOr<RequestId> CheckRequestId(const std::string& request_id);

// The port of `attach`, or `fallback` when it brings none.
absl::StatusOr<uint16_t> CheckChatPort(const v1::Attach& attach, uint16_t fallback);

}  // namespace p2p::server
