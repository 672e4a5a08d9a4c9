// DirectoryService: pages of who is active, read from the hub's snapshot without waiting for the
// hub.
#pragma once

#include "control-server/service/authenticator.h"
#include "control-server/service/hub_view.h"
#include "p2p/v1/directory.grpc.pb.h"

namespace p2p::server {

class DirectoryService final : public v1::DirectoryService::CallbackService {
 public:
  DirectoryService(const PresenceView& presence, const Authenticator& authenticator)
      : presence_(presence), authenticator_(authenticator) {}

  grpc::ServerUnaryReactor* ListActive(grpc::CallbackServerContext* call,
                                       const v1::ListActiveRequest* request,
                                       v1::ListActiveResponse* response) override;

 private:
  const PresenceView& presence_;
  const Authenticator& authenticator_;
};

}  // namespace p2p::server
