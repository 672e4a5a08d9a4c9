// Who is calling: from the metadata of a call to its Caller.
#pragma once

#include "absl/status/statusor.h"
#include "common/net/address.h"
#include "control-server/admission/connection_control.h"
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
  Authenticator(const SessionTable& sessions, ConnectionControl& connections)
      : sessions_(sessions), connections_(connections) {}

  // The caller of `authorization: Bearer <token>`, and marks the connection as authenticated.
  // Unauthenticated, with one text for every cause, when there is none.
  absl::StatusOr<CallerPtr> Check(const grpc::CallbackServerContext& context) const;

  ConnectionControl& connections() const { return connections_; }

 private:
  const SessionTable& sessions_;
  ConnectionControl& connections_;
};

}  // namespace p2p::server
