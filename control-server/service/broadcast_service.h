// The RPCs of proto/p2p/v1/broadcast.proto. Translates only: the rules live in the desk and in
// domain/delivery.h. Reactions return at once; answers are finished on the hub or store thread.
#pragma once

#include "common/base/clock.h"
#include "common/config/timing.h"
#include "control-server/service/authenticator.h"
#include "control-server/service/broadcast_desk.h"
#include "p2p/v1/broadcast.grpc.pb.h"

namespace p2p::server {

class BroadcastService final : public v1::BroadcastService::CallbackService {
 public:
  // All outlive the gRPC server that this is registered with, and its last call.
  BroadcastService(const Authenticator& authenticator, BroadcastDesk& desk, StoreQueue& store,
                   const Clock& clock, const config::Timing& timing)
      : authenticator_(authenticator), desk_(desk), store_(store), clock_(clock), timing_(timing) {}

  grpc::ServerUnaryReactor* Broadcast(grpc::CallbackServerContext* context,
                                      const v1::BroadcastRequest* request,
                                      v1::BroadcastResponse* response) override;
  grpc::ServerUnaryReactor* GetBroadcast(grpc::CallbackServerContext* context,
                                         const v1::GetBroadcastRequest* request,
                                         v1::GetBroadcastResponse* response) override;
  grpc::ServerUnaryReactor* ListBroadcasts(grpc::CallbackServerContext* context,
                                           const v1::ListBroadcastsRequest* request,
                                           v1::ListBroadcastsResponse* response) override;
  grpc::ServerUnaryReactor* RevokeBroadcast(grpc::CallbackServerContext* context,
                                            const v1::RevokeBroadcastRequest* request,
                                            v1::RevokeBroadcastResponse* response) override;

 private:
  const Authenticator& authenticator_;
  BroadcastDesk& desk_;
  StoreQueue& store_;
  const Clock& clock_;
  const config::Timing& timing_;
};

}  // namespace p2p::server
