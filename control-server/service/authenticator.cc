#include "control-server/service/authenticator.h"

namespace p2p::server {

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
  const auto& metadata = context.client_metadata();
  const auto header = metadata.find("authorization");
  if (header != metadata.end()) {
    CallerPtr caller =
        sessions_.FindByHeader(absl::string_view(header->second.data(), header->second.size()));
    if (caller != nullptr) {
      connections_.MarkAuthenticated(PeerOf(context));
      return caller;
    }
  }
  return absl::UnauthenticatedError("a valid session token is required: please log in");
}

}  // namespace p2p::server
