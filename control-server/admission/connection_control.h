// What services may ask of a connection. Implemented by the connection registry.
#pragma once

#include <optional>
#include <string>

#include "common/base/time.h"
#include "common/net/address.h"

namespace p2p::server {

// Thread-safe, never blocks. Unknown peers are ignored.
class ConnectionControl {
 public:
  virtual ~ConnectionControl() = default;
  // Something valid was said on the connection of this peer (its deadline for Hello is met).
  virtual void MarkHello(const net::SocketAddress& peer) = 0;
  // A valid token was presented on the connection of this peer.
  virtual void MarkAuthenticated(const net::SocketAddress& peer) = 0;
  // The peer has proved to be the relay. Its connection takes no place of a client and has no
  // deadline, even if it was accepted above the cap: a full server must not lock its relay out.
  virtual void MarkRelay(const net::SocketAddress&) {}
  // The peer promises to send something so often (in ms, as it says it; ignored when it is out of
  // bounds). When nothing comes for a while longer, its connection is shut down.
  static constexpr uint32_t kMinPromiseMs = 1'000;
  static constexpr uint32_t kMaxPromiseMs = 60'000;
  virtual void ExpectEvery(const net::SocketAddress&, uint32_t /*ms*/) {}
  // Shuts the connection down `delay` from now: the very connection that has this peer address now,
  // never a later one.
  virtual void Close(const net::SocketAddress& peer, Duration delay) = 0;
  // The server's own address of that connection, i.e. where this peer reaches the server; nullopt
  // when the connection is gone.
  virtual std::optional<net::SocketAddress> LocalAddress(const net::SocketAddress& peer) const = 0;
  // Why the connection of this peer is not served ("full: 50 of 50"): every call on it gets
  // RESOURCE_EXHAUSTED with this text and the connection is closed. nullopt when it has a place.
  virtual std::optional<std::string> Refusal(const net::SocketAddress&) const {
    return std::nullopt;
  }
  // A call of this peer waits in one of our own queues from PauseDeadline to ResumeDeadline: that
  // time does not count against the connection's deadlines. Calls nest.
  virtual void PauseDeadline(const net::SocketAddress&) {}
  virtual void ResumeDeadline(const net::SocketAddress&) {}
  // A call of this peer that was accepted needed so many bytes: they do not count against what its
  // connection may send.
  virtual void Credit(const net::SocketAddress&, uint64_t) {}
};

}  // namespace p2p::server
