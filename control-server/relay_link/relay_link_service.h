// The RPC of proto/p2p/v1/relay_link.proto: who may link, and the call that carries reports and
// orders between gRPC and RemoteRelay.
#pragma once

#include <memory>

#include "common/crypto/hash.h"
#include "common/net/address.h"
#include "control-server/relay_link/remote_relay.h"
#include "grpcpp/grpcpp.h"
#include "p2p/v1/relay_link.grpc.pb.h"

namespace p2p::server {

// Owns itself: deleted in OnDone. It has claimed the link.
class LinkCall final : public grpc::ServerBidiReactor<v1::RelayReports, v1::RelayOrders>,
                       public LinkDriver {
 public:
  // Null when another relay is linked.
  static LinkCall* Start(RemoteRelay& relay, ConnectionControl& connections, const Clock& clock,
                         const net::SocketAddress& peer);

 private:
  LinkCall(RemoteRelay& relay, ConnectionControl& connections, const Clock& clock,
           const net::SocketAddress& peer);

  // LinkDriver.
  void WriteOrders(const v1::RelayOrders& orders) override { StartWrite(&orders); }
  void ReadReports() override { StartRead(&reports_); }
  void FinishLink(const grpc::Status& status) override { Finish(status); }

  // ServerBidiReactor.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override { outbox_->OnWritten(ok); }
  void OnCancel() override;
  void OnDone() override;

  // False: the link was ended.
  bool OnReport(const v1::RelayReport& report);
  bool OnRegister(const v1::RelayRegister& registration);
  bool Refuse(grpc::StatusCode code, const std::string& why);

  RemoteRelay& relay_;
  ConnectionControl& connections_;
  const net::SocketAddress peer_;
  const std::shared_ptr<LinkOutbox> outbox_;
  v1::RelayReports reports_;
  bool registered_ = false;
};

class RelayLinkService final : public v1::RelayLink::CallbackService {
 public:
  // All outlive the gRPC server that this is registered with, and its last call. Only a digest of
  // the token is kept.
  RelayLinkService(RemoteRelay& relay, ConnectionControl& connections, const SecretText& token,
                   const Clock& clock);

  grpc::ServerBidiReactor<v1::RelayReports, v1::RelayOrders>* Link(
      grpc::CallbackServerContext* context) override;

 private:
  bool HasToken(const grpc::CallbackServerContext& context) const;

  RemoteRelay& relay_;
  ConnectionControl& connections_;
  const crypto::Digest256 token_digest_;
  const Clock& clock_;
};

}  // namespace p2p::server
