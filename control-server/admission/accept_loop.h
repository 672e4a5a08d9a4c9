// The listening socket and the thread that accepts. gRPC 1.51's own listener dies for good the
// first time accept fails for want of a descriptor; this one does not.
#pragma once

#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/net/address.h"
#include "common/net/fd.h"
#include "control-server/admission/connection_registry.h"

namespace p2p::server {

// Opens a TCP listener (non-blocking, close-on-exec, v6 sockets also take v4, never SO_REUSEPORT).
// Where the machine has no IPv6, [::] listens on 0.0.0.0.
absl::StatusOr<net::UniqueFd> Listen(const net::SocketAddress& address);
// The address a socket is bound to.
absl::StatusOr<net::SocketAddress> LocalAddressOf(int fd);

class AcceptLoop {
 public:
  // Takes ownership of the connected descriptor `fd` (non-blocking, TCP_NODELAY). On the loop's
  // thread.
  using HandOff = absl::AnyInvocable<void(int listener_fd, int fd)>;

  // `registry` and `clock` outlive the loop. The thread starts with Start.
  static absl::StatusOr<std::unique_ptr<AcceptLoop>> Create(net::UniqueFd listener,
                                                            ConnectionRegistry& registry,
                                                            const Clock& clock, HandOff hand_off);
  ~AcceptLoop();  // Stops.

  void Start();
  // Stops accepting and joins. Before the server that takes the descriptors is shut down: it would
  // not close what it gets later. Idempotent.
  void Stop();

 private:
  AcceptLoop(net::UniqueFd listener, ConnectionRegistry& registry, const Clock& clock,
             HandOff hand_off, net::UniqueFd epoll, net::UniqueFd stop, net::UniqueFd spare);
  void Run();
  void AcceptSome();
  bool AcceptOne();
  void Admit(net::UniqueFd fd, const net::SocketAddress& peer);
  void ShedOne();
  void WatchListener(bool watch);

  net::UniqueFd listener_;
  ConnectionRegistry& registry_;
  const Clock& clock_;
  HandOff hand_off_;
  net::UniqueFd epoll_;
  net::UniqueFd stop_;
  net::UniqueFd spare_;  // Given up to accept, and close, one connection when descriptors ran out.
  std::optional<MonoTime> paused_until_;
  std::thread thread_;
};

}  // namespace p2p::server
