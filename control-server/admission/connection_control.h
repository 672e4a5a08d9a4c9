// What services may ask of a connection. Implemented by the connection registry.
#pragma once

#include "common/base/time.h"
#include "common/net/address.h"

namespace p2p::server {

class ConnectionControl {
 public:
  virtual ~ConnectionControl() = default;
  // Something valid was said on the connection of this peer (its deadline for Hello is met).
  virtual void MarkHello(const net::SocketAddress& peer) = 0;
  // A valid token was presented on the connection of this peer.
  virtual void MarkAuthenticated(const net::SocketAddress& peer) = 0;
  // Shuts the connection down `delay` from now. Unknown peers are ignored. Thread-safe, never
  // blocks.
  virtual void Close(const net::SocketAddress& peer, Duration delay) = 0;
  // The server's own address of that connection, i.e. where this peer reaches the server; nullopt
  // when the connection is gone.
  virtual std::optional<net::SocketAddress> LocalAddress(const net::SocketAddress& peer) const = 0;
};

}  // namespace p2p::server
