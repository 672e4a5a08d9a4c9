#include "control-server/service/peering_fields.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/wire/limits.h"

namespace p2p::server {
namespace {

using Endpoints = google::protobuf::RepeatedPtrField<v1::Endpoint>;

bool IsChatPort(uint32_t port) { return port >= wire::kMinChatPort && port <= 65535; }

absl::Status Invalid(absl::string_view text) { return absl::InvalidArgumentError(text); }

absl::StatusOr<std::vector<net::SocketAddress>> CheckCandidates(const Endpoints& candidates) {
  if (static_cast<size_t>(candidates.size()) > wire::kMaxCandidates) {
    return Invalid(absl::StrCat("candidates: at most ", wire::kMaxCandidates));
  }
  std::vector<net::SocketAddress> checked;
  for (const v1::Endpoint& candidate : candidates) {
    const bool fits = candidate.ip_address().size() <= wire::kMaxEndpointText;
    const auto ip = fits ? net::IpAddress::Parse(candidate.ip_address()) : std::nullopt;
    if (!ip || ip->IsUnspecified() || ip->IsMulticast() || ip->IsBroadcast()) {
      return Invalid("candidates: ip_address is not an address of a client");
    }
    if (!IsChatPort(candidate.port())) {
      return Invalid(absl::StrCat("candidates: port must be ", wire::kMinChatPort, " to 65535"));
    }
    // Nobody may be sent to such a place (cloud metadata among them); no reason to refuse the rest.
    if (ip->IsLinkLocal()) continue;
    checked.push_back({*ip, static_cast<uint16_t>(candidate.port())});
  }
  return checked;
}

absl::StatusOr<wire::IntroNonce> CheckNonce(const std::string& nonce) {
  wire::IntroNonce checked;
  if (nonce.size() != checked.size()) {
    return Invalid(absl::StrCat("nonce must be ", checked.size(), " bytes"));
  }
  std::copy(nonce.begin(), nonce.end(), checked.begin());
  return checked;
}

absl::StatusOr<Target> CheckTarget(const v1::RequestPeerRequest& request) {
  switch (request.target_case()) {
    case v1::RequestPeerRequest::kUsername:
      if (request.username().empty()) return Invalid("username is required");
      if (request.username().size() > wire::kMaxTargetText) {
        return Invalid(absl::StrCat("username: at most ", wire::kMaxTargetText, " bytes"));
      }
      return ClassifyName(request.username());
    case v1::RequestPeerRequest::kIpAddress:
      if (request.ip_address().empty()) return Invalid("ip_address is required");
      if (request.ip_address().size() > wire::kMaxTargetText) {
        return Invalid(absl::StrCat("ip_address: at most ", wire::kMaxTargetText, " bytes"));
      }
      return ClassifyAddress(request.ip_address());
    case v1::RequestPeerRequest::TARGET_NOT_SET:
      break;
  }
  return Invalid("target is required: username or ip_address");
}

}  // namespace

absl::StatusOr<RequestPeerFields> CheckRequestPeer(const v1::RequestPeerRequest& request) {
  RequestPeerFields fields;
  P2P_ASSIGN_OR_RETURN(fields.target, CheckTarget(request));
  // No code point takes more than 4 bytes: a cheap bound before the text is walked.
  if (request.reason().size() > 4 * wire::kMaxReasonChars ||
      CodePoints(request.reason()) > wire::kMaxReasonChars) {
    return Invalid(absl::StrCat("reason: at most ", wire::kMaxReasonChars, " characters"));
  }
  fields.reason = request.reason();
  P2P_ASSIGN_OR_RETURN(fields.candidates, CheckCandidates(request.candidates()));
  if (request.nonce().empty()) {
    return absl::FailedPreconditionError("nonce is required: 16 fresh random bytes");
  }
  P2P_ASSIGN_OR_RETURN(fields.nonce, CheckNonce(request.nonce()));
  return fields;
}

absl::StatusOr<ApproveFields> CheckApprove(const v1::Approve& approve) {
  ApproveFields fields;
  P2P_ASSIGN_OR_RETURN(fields.id, CheckRequestId(approve.request_id()));
  P2P_ASSIGN_OR_RETURN(fields.nonce, CheckNonce(approve.nonce()));
  P2P_ASSIGN_OR_RETURN(fields.candidates, CheckCandidates(approve.candidates()));
  return fields;
}

absl::StatusOr<RequestId> CheckRequestId(const std::string& request_id) {
  if (request_id.empty()) return Invalid("request_id is required");
  const auto id = RequestId::FromHex(request_id);
  if (!id) return Invalid("request_id must be 32 hex digits");
  return *id;
}

absl::StatusOr<uint16_t> CheckChatPort(const v1::Attach& attach, uint16_t fallback) {
  if (attach.has_chat_endpoint()) {
    const uint32_t port = attach.chat_endpoint().port();
    if (!IsChatPort(port)) {
      return Invalid(absl::StrCat("chat_endpoint: port must be ", wire::kMinChatPort, " to 65535"));
    }
    return static_cast<uint16_t>(port);
  }
  if (fallback == 0) {
    return absl::FailedPreconditionError("chat_endpoint is required, here or at log-in");
  }
  return fallback;
}

}  // namespace p2p::server
