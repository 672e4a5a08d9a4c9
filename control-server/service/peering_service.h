// PeeringService over gRPC: checks fields, finds the caller, hands the rest to the hub.
#pragma once

#include "control-server/service/authenticator.h"
#include "control-server/service/hub.h"
#include "control-server/service/inbound_desk.h"
#include "p2p/v1/peering.grpc.pb.h"

namespace p2p::server {

// Collaborators outlive the service and every call of it.
class PeeringService final : public v1::PeeringService::CallbackService {
 public:
  PeeringService(const Authenticator& authenticator, Hub& hub, InboundDesk& inbound,
                 const Clock& clock, const config::Timing& timing)
      : authenticator_(authenticator),
        hub_(hub),
        inbound_(inbound),
        clock_(clock),
        timing_(timing) {}

  grpc::ServerUnaryReactor* RequestPeer(grpc::CallbackServerContext* context,
                                        const v1::RequestPeerRequest* request,
                                        v1::RequestPeerResponse* response) override;
  grpc::ServerUnaryReactor* GetRequest(grpc::CallbackServerContext* context,
                                       const v1::GetRequestRequest* request,
                                       v1::GetRequestResponse* response) override;
  grpc::ServerUnaryReactor* CheckInbound(grpc::CallbackServerContext* context,
                                         const v1::CheckInboundRequest* request,
                                         v1::CheckInboundResponse* response) override;
  grpc::ServerBidiReactor<v1::ClientEvent, v1::ServerEvent>* ApprovalChannel(
      grpc::CallbackServerContext* context) override;

 private:
  // The caller, who must have logged in with a device key.
  absl::StatusOr<CallerPtr> CheckDevice(const grpc::CallbackServerContext& context) const;
  Viewpoint ViewOf(const net::SocketAddress& peer) const;

  const Authenticator& authenticator_;
  Hub& hub_;
  InboundDesk& inbound_;
  const Clock& clock_;
  const config::Timing timing_;
};

}  // namespace p2p::server
