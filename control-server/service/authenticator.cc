#include "control-server/service/authenticator.h"

#include "common/base/check.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

// Long enough for the answer to arrive before the connection ends.
constexpr Duration kAnswerTime = 100ms;

}  // namespace

net::SocketAddress PeerOf(const grpc::CallbackServerContext& context) {
  return net::ParseGrpcPeer(context.peer()).value_or(net::SocketAddress{});
}

grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                    const grpc::Status& status) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

absl::StatusOr<CallerPtr> Authenticator::Check(const grpc::CallbackServerContext& context) const {
  if (const auto full = RefuseIfFull(context)) {
    return absl::ResourceExhaustedError(full->error_message());
  }
  const auto& metadata = context.client_metadata();
  const auto header = metadata.find("authorization");
  if (header != metadata.end()) {
    CallerPtr caller =
        sessions_.FindByHeader(absl::string_view(header->second.data(), header->second.size()));
    if (caller != nullptr) {
      connections_.MarkAuthenticated(PeerOf(context));
      if (rates_ != nullptr) P2P_RETURN_IF_ERROR(rates_->Call(caller->user));
      if (first_use_ != nullptr) first_use_->Note(caller);
      return caller;
    }
  }
  return absl::UnauthenticatedError("a valid session token is required: please log in");
}

std::optional<grpc::Status> Authenticator::RefuseIfFull(
    const grpc::CallbackServerContext& context) const {
  const net::SocketAddress peer = PeerOf(context);
  const auto refusal = connections_.Refusal(peer);
  if (!refusal) return std::nullopt;
  connections_.Close(peer, kAnswerTime);
  return WithErrorInfo(grpc::StatusCode::RESOURCE_EXHAUSTED, *refusal, "FULL");
}

Viewpoint Authenticator::ViewpointOf(const grpc::CallbackServerContext& context) const {
  const net::SocketAddress peer = PeerOf(context);
  const auto local = connections_.LocalAddress(peer);
  return {.own = peer.ip, .server = local ? local->ip : peer.ip};
}

}  // namespace p2p::server
