// Who is calling: from the metadata of a call to its Caller.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "common/net/address.h"
#include "control-server/admission/connection_control.h"
#include "control-server/domain/viewpoint.h"
#include "control-server/service/first_use.h"
#include "control-server/service/rate_gate.h"
#include "control-server/service/session_table.h"
#include "grpcpp/grpcpp.h"

namespace p2p::server {

// The caller's address; the zero address when gRPC does not say (never for TCP).
net::SocketAddress PeerOf(const grpc::CallbackServerContext& context);

// Finishes a unary call at once.
grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                    const grpc::Status& status);

// Thread-safe, never blocks.
class Authenticator {
 public:
  // `rates` may be null: no limit.
  Authenticator(const SessionTable& sessions, ConnectionControl& connections,
                RateGate* rates = nullptr)
      : sessions_(sessions), connections_(connections), rates_(rates) {}

  // Who is told of every token presented; null, the default: nobody. Before the first call.
  void SetFirstUse(FirstUse* first_use) { first_use_ = first_use; }

  // The caller of `authorization: Bearer <token>`, and marks the connection as authenticated.
  // Unauthenticated, with one text for every cause, when there is none; ResourceExhausted "full: …"
  // when the connection has no place, and with RetryInfo when the account calls too often.
  absl::StatusOr<CallerPtr> Check(const grpc::CallbackServerContext& context) const;

  // For calls that need no token. The status to finish with, when the caller's connection has no
  // place ("full: 50 of 50"); the connection is then closed shortly after the answer.
  std::optional<grpc::Status> RefuseIfFull(const grpc::CallbackServerContext& context) const;

  // From where the caller looks at the others.
  Viewpoint ViewpointOf(const grpc::CallbackServerContext& context) const;

  ConnectionControl& connections() const { return connections_; }

 private:
  const SessionTable& sessions_;
  ConnectionControl& connections_;
  RateGate* const rates_;
  FirstUse* first_use_ = nullptr;
};

}  // namespace p2p::server
