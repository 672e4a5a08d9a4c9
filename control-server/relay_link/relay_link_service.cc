#include "control-server/relay_link/relay_link_service.h"

#include <utility>

#include "absl/strings/strip.h"

namespace p2p::server {
namespace {

// Long enough for an answer to arrive before the connection ends.
constexpr Duration kAnswerTime = 100ms;

class RefusedLink final : public grpc::ServerBidiReactor<v1::RelayReports, v1::RelayOrders> {
 public:
  explicit RefusedLink(const grpc::Status& status) { Finish(status); }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

// ---- The call -----------------------------------------------------------------------------------

LinkCall* LinkCall::Start(RemoteRelay& relay, ConnectionControl& connections, const Clock& clock,
                          const net::SocketAddress& peer) {
  auto call = std::unique_ptr<LinkCall>(new LinkCall(relay, connections, clock, peer));
  if (!relay.Claim(call->outbox_, peer)) return nullptr;
  connections.MarkRelay(peer);
  call->outbox_->Read();
  return call.release();
}

LinkCall::LinkCall(RemoteRelay& relay, ConnectionControl& connections, const Clock& clock,
                   const net::SocketAddress& peer)
    : relay_(relay),
      connections_(connections),
      peer_(peer),
      outbox_(std::make_shared<LinkOutbox>(*this, clock)) {}

void LinkCall::OnReadDone(bool ok) {
  if (!ok) {  // The relay has said everything, or the stream broke: then OnCancel says so.
    outbox_->End(grpc::Status::OK);
    return;
  }
  relay_.counters().Add(LinkCount::kReports, static_cast<uint64_t>(reports_.reports_size()));
  for (const v1::RelayReport& report : reports_.reports()) {
    if (!OnReport(report)) return;
  }
  outbox_->Read();
}

bool LinkCall::OnReport(const v1::RelayReport& report) {
  if (report.has_register_()) return OnRegister(report.register_());
  if (!registered_) {
    return Refuse(grpc::StatusCode::FAILED_PRECONDITION, "RelayRegister must come first");
  }
  switch (report.report_case()) {
    case v1::RelayReport::kDelivered: {
      const auto session = ConnId::FromBytes(AsBytes(report.delivered().conn_id()));
      const auto broadcast = BroadcastId::FromBytes(AsBytes(report.delivered().broadcast_id()));
      if (!session || !broadcast) break;
      relay_.OnDelivered(*session, *broadcast);
      return true;
    }
    case v1::RelayReport::kSessionState: {
      const auto session = ConnId::FromBytes(AsBytes(report.session_state().conn_id()));
      if (!session) break;
      relay_.OnReachable(*session, report.session_state().reachable());
      return true;
    }
    case v1::RelayReport::kDraining:
      relay_.OnDraining();
      return true;
    case v1::RelayReport::kRegister:
    case v1::RelayReport::REPORT_NOT_SET:  // Of a later version.
      break;
  }
  relay_.counters().Add(LinkCount::kMalformedReports);
  return true;
}

bool LinkCall::OnRegister(const v1::RelayRegister& registration) {
  if (registered_) return Refuse(grpc::StatusCode::FAILED_PRECONDITION, "RelayRegister came twice");
  const auto local = connections_.LocalAddress(peer_);
  auto address = AddressOf(registration, peer_.ip, local ? std::optional(local->ip) : std::nullopt);
  if (!address.ok()) {
    return Refuse(grpc::StatusCode::INVALID_ARGUMENT, std::string(address.status().message()));
  }
  registered_ = true;
  connections_.ExpectEvery(peer_, registration.keepalive_ms());
  relay_.Register(outbox_, *std::move(address));
  return true;
}

bool LinkCall::Refuse(grpc::StatusCode code, const std::string& why) {
  relay_.counters().Add(LinkCount::kBadRegister);
  outbox_->End(grpc::Status(code, why));
  return false;
}

void LinkCall::OnCancel() {
  outbox_->End(grpc::Status(grpc::StatusCode::CANCELLED, "the relay is gone"));
}

void LinkCall::OnDone() {
  connections_.Close(peer_, kAnswerTime);
  relay_.Release(outbox_);
  delete this;
}

// ---- Who may link -------------------------------------------------------------------------------

RelayLinkService::RelayLinkService(RemoteRelay& relay, ConnectionControl& connections,
                                   const SecretText& token, const Clock& clock)
    : relay_(relay),
      connections_(connections),
      token_digest_(crypto::Sha256(AsBytes(token.view()))),
      clock_(clock) {}

// Digests are compared, so that neither the time nor the length tells anything about the token.
bool RelayLinkService::HasToken(const grpc::CallbackServerContext& context) const {
  const auto header = context.client_metadata().find("authorization");
  if (header == context.client_metadata().end()) return false;
  absl::string_view text(header->second.data(), header->second.size());
  if (!absl::ConsumePrefix(&text, "Bearer ")) return false;
  return crypto::ConstantTimeEqual(crypto::Sha256(AsBytes(text)), token_digest_);
}

grpc::ServerBidiReactor<v1::RelayReports, v1::RelayOrders>* RelayLinkService::Link(
    grpc::CallbackServerContext* context) {
  const net::SocketAddress peer =
      net::ParseGrpcPeer(context->peer()).value_or(net::SocketAddress{});
  if (!HasToken(*context)) {
    relay_.counters().Add(LinkCount::kWrongToken);
    connections_.Close(peer, kAnswerTime);
    return new RefusedLink(
        grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "this is not the relay's token"));
  }
  if (LinkCall* const call = LinkCall::Start(relay_, connections_, clock_, peer)) return call;
  relay_.counters().Add(LinkCount::kSecondRelay);
  connections_.Close(peer, kAnswerTime);
  return new RefusedLink(
      grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "another relay is linked to this server"));
}

}  // namespace p2p::server
