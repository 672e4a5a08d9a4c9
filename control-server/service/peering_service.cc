#include "control-server/service/peering_service.h"

#include <utility>

#include "control-server/service/approval_channel.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

// RequestPeer's answer; shuts the connection down after a penalty. Deleted in OnDone.
class RequestPeerCall final : public grpc::ServerUnaryReactor {
 public:
  RequestPeerCall(ConnectionControl& connections, const net::SocketAddress& peer, Duration delay,
                  v1::RequestPeerResponse* response)
      : connections_(connections), peer_(peer), delay_(delay), response_(response) {}

  void Answer(const RequestPeerReply& reply) {
    close_ = reply.close_connection;
    if (reply.status.ok()) {
      response_->set_request_id(reply.id.Hex());
      response_->set_peer(reply.peer);
      *response_->mutable_expires_at() = ToProto(reply.expires_at);
    }
    Finish(reply.status);
  }

 private:
  void OnDone() override {
    if (close_) connections_.Close(peer_, delay_);
    delete this;
  }

  ConnectionControl& connections_;
  const net::SocketAddress peer_;
  const Duration delay_;
  v1::RequestPeerResponse* const response_;
  bool close_ = false;
};

// A channel that is refused before it begins.
class RefusedChannel final : public grpc::ServerBidiReactor<v1::ClientEvent, v1::ServerEvent> {
 public:
  explicit RefusedChannel(const grpc::Status& status) { Finish(status); }

 private:
  void OnDone() override { delete this; }
};

grpc::Status NoSuchRequest() {
  return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no such request");
}

v1::CheckInboundResponse::Result ToProto(Inbound result) {
  switch (result) {
    case Inbound::kReached:
      return v1::CheckInboundResponse::REACHED;
    case Inbound::kRefused:
      return v1::CheckInboundResponse::REFUSED;
    case Inbound::kNoAnswer:
      return v1::CheckInboundResponse::NO_ANSWER;
    case Inbound::kSomebodyElse:
      break;
  }
  return v1::CheckInboundResponse::SOMEBODY_ELSE;
}

// One check under way: from a caller to where its client accepts conversations, to what came of
// the dial. The reactor is finished exactly once.
struct InboundCall {
  InboundDesk& desk;
  grpc::ServerUnaryReactor* reactor;
  v1::CheckInboundResponse* response;
  UserId user;
  std::optional<crypto::InboundChallenge> challenge;  // nullopt: begin.

  // On the hub thread.
  void Go(const std::optional<net::SocketAddress>& at) {
    if (!at) {
      return Fail(
          absl::FailedPreconditionError("open the ApprovalChannel with this session first"));
    }
    response->set_ip_address(at->ip.ToString());
    response->set_port(at->port);
    return challenge ? Dial(*at) : Begin();
  }
  void Begin() {
    const auto begun = desk.Begin(user);
    if (!begun.ok()) return Fail(begun.status());
    response->set_challenge(begun->data(), begun->size());
    reactor->Finish(grpc::Status::OK);
  }
  void Dial(const net::SocketAddress& at) {
    if (const absl::Status taken = desk.Take(user, *challenge); !taken.ok()) return Fail(taken);
    const bool queued = desk.Dial(
        at, *challenge, [reactor = reactor, response = response](std::optional<Inbound> result) {
          if (!result) return reactor->Finish(ToGrpc(absl::UnavailableError("busy; try again")));
          response->set_result(ToProto(*result));
          reactor->Finish(grpc::Status::OK);
        });
    if (!queued) Fail(RetryLaterError("too many checks at this moment", 5s));
  }
  void Fail(const absl::Status& why) { reactor->Finish(ToGrpc(why)); }
};

}  // namespace

grpc::ServerUnaryReactor* PeeringService::RequestPeer(grpc::CallbackServerContext* context,
                                                      const v1::RequestPeerRequest* request,
                                                      v1::RequestPeerResponse* response) {
  auto caller = CheckDevice(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  auto fields = CheckRequestPeer(*request);
  if (!fields.ok()) return FinishNow(context, ToGrpc(fields.status()));
  const net::SocketAddress peer = PeerOf(*context);
  auto* call =
      new RequestPeerCall(authenticator_.connections(), peer, timing_.penalty_close, response);
  hub_.RequestPeer({*std::move(caller), ViewOf(peer), *std::move(fields)},
                   [call](const RequestPeerReply& reply) { call->Answer(reply); });
  return call;
}

grpc::ServerUnaryReactor* PeeringService::GetRequest(grpc::CallbackServerContext* context,
                                                     const v1::GetRequestRequest* request,
                                                     v1::GetRequestResponse* response) {
  const auto caller = authenticator_.Check(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  const auto id = CheckRequestId(request->request_id());
  if (!id.ok()) return FinishNow(context, ToGrpc(id.status()));
  auto* reactor = context->DefaultReactor();
  hub_.GetRequest(*id, (*caller)->user, [reactor, response](const PeerRequest* found) {
    if (found == nullptr) return reactor->Finish(NoSuchRequest());
    response->set_request_id(found->id.Hex());
    response->set_requester(found->requester.username);
    response->set_target(found->target.username);
    response->set_state(ToProto(found->visible_state()));
    response->set_reason(found->reason);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* PeeringService::CheckInbound(grpc::CallbackServerContext* context,
                                                       const v1::CheckInboundRequest* request,
                                                       v1::CheckInboundResponse* response) {
  auto caller = CheckDevice(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  InboundCall call{inbound_, nullptr, response, (*caller)->user, std::nullopt};
  if (const std::string& shown = request->challenge(); !shown.empty()) {
    if (shown.size() != crypto::InboundChallenge{}.size()) {
      return FinishNow(context, ToGrpc(absl::InvalidArgumentError("challenge: 32 bytes")));
    }
    std::copy(shown.begin(), shown.end(), call.challenge.emplace().begin());
  }
  auto* const reactor = call.reactor = context->DefaultReactor();
  hub_.FindChatAddress(
      *std::move(caller),
      [call](const std::optional<net::SocketAddress>& at) mutable { call.Go(at); });
  return reactor;
}

grpc::ServerBidiReactor<v1::ClientEvent, v1::ServerEvent>* PeeringService::ApprovalChannel(
    grpc::CallbackServerContext* context) {
  auto caller = CheckDevice(*context);
  if (!caller.ok()) return new RefusedChannel(ToGrpc(caller.status()));
  const net::SocketAddress peer = PeerOf(*context);
  return new server::ApprovalChannel(hub_, authenticator_.connections(), timing_.penalty_close,
                                     clock_, *std::move(caller), peer, ViewOf(peer));
}

absl::StatusOr<CallerPtr> PeeringService::CheckDevice(
    const grpc::CallbackServerContext& context) const {
  auto caller = authenticator_.Check(context);
  if (caller.ok() && !(*caller)->has_device()) {
    return absl::FailedPreconditionError("device_public_key is required at log-in");
  }
  return caller;
}

Viewpoint PeeringService::ViewOf(const net::SocketAddress& peer) const {
  const auto local = authenticator_.connections().LocalAddress(peer);
  return Viewpoint{.own = peer.ip, .server = local.value_or(peer).ip};
}

}  // namespace p2p::server
