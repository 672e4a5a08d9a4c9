// A unary call that waits in our own queues: meanwhile its connection's deadlines stand still.
#pragma once

#include <utility>

#include "common/base/check.h"
#include "control-server/admission/connection_control.h"
#include "control-server/service/errors.h"
#include "grpcpp/grpcpp.h"

namespace p2p::server {

// Movable. Finish is called exactly once.
class PausedCall {
 public:
  PausedCall(ConnectionControl& connections, const net::SocketAddress& peer,
             grpc::ServerUnaryReactor* reactor)
      : connections_(&connections), peer_(peer), reactor_(reactor) {
    connections_->PauseDeadline(peer_);
  }
  PausedCall(PausedCall&& other) noexcept
      : connections_(other.connections_),
        peer_(other.peer_),
        reactor_(std::exchange(other.reactor_, nullptr)) {}
  PausedCall& operator=(PausedCall&&) = delete;
  ~PausedCall() { P2P_CHECK(reactor_ == nullptr); }  // An unfinished call would stop the shutdown.

  const net::SocketAddress& peer() const { return peer_; }

  void Finish(const grpc::Status& status) {
    P2P_CHECK(reactor_ != nullptr);
    connections_->ResumeDeadline(peer_);
    std::exchange(reactor_, nullptr)->Finish(status);
  }

 private:
  ConnectionControl* connections_;
  net::SocketAddress peer_;
  grpc::ServerUnaryReactor* reactor_;
};

// The answer when the hash pool's queue is full or too slow.
inline grpc::Status BusyHashing() {
  return WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED,
                       "too many log-ins at the moment, please try again", 2s);
}

}  // namespace p2p::server
