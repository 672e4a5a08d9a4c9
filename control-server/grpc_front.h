// The gRPC side of the control-server: TLS, limits, our own accept loop, health and reflection.
// Knows nothing of what the services do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/config/timing.h"
#include "common/crypto/certificate.h"
#include "common/net/address.h"
#include "control-server/admission/accept_loop.h"
#include "control-server/admission/connection_registry.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/security/credentials.h"

namespace p2p::server {

// The first lines of every main() and test that uses gRPC: no lock-cycle detection (a false alarm
// aborts the process, and it halves the attach rate), no log lines that a stranger can cause.
// `argv0` is not used; call before anything else of gRPC.
void QuietGrpc();

struct FrontOptions {
  net::SocketAddress listen;
  crypto::PemPair certificate;
  uint32_t max_connections = 0;
  config::Timing timing;
  bool reflection = false;
  ByteLimits bytes = {};
};

class GrpcFront {
 public:
  // Binds the address, so that a port that is taken is known before anything else starts; serves
  // nothing before Start. `clock` outlives the front.
  static absl::StatusOr<std::unique_ptr<GrpcFront>> Create(FrontOptions options,
                                                           const Clock& clock);
  ~GrpcFront();  // Shuts down.

  ConnectionRegistry& connections() { return *registry_; }
  // The bound address, with the port in force.
  const net::SocketAddress& address() const { return address_; }

  // Begins to serve. The services outlive the front. Once.
  absl::Status Start(const std::vector<grpc::Service*>& services,
                     grpc::CallbackGenericService* generic = nullptr);
  // Accepts nothing more, gives open calls timing.shutdown to end, then cuts them. Idempotent; not
  // from a gRPC thread.
  void Shutdown();

 private:
  GrpcFront(FrontOptions options, const Clock& clock, std::unique_ptr<ConnectionRegistry> registry,
            net::UniqueFd listener, net::SocketAddress address);

  const FrontOptions options_;
  const Clock& clock_;
  const std::unique_ptr<ConnectionRegistry> registry_;
  net::UniqueFd listener_;
  const net::SocketAddress address_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<AcceptLoop> loop_;
};

}  // namespace p2p::server
