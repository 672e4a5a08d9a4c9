// The chat port: reserved while the program runs, open while there is somebody to expect. Accepts
// connections, reads their knock, and hands on those of approved peers. To everybody else it is a
// port that closes.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/counters.h"
#include "common/config/timing.h"
#include "common/crypto/inbound_probe.h"
#include "common/net/address.h"
#include "peer-client/chat/knock_guard.h"

namespace p2p::client {

enum class ListenerCount {
  kAccepted,
  kTooMany,    // kMaxUnprovenConnections, or kMaxUnprovenPerSource, are being proven already.
  kKnockLate,  // No 32 bytes within timing.knock, or the connection ended.
  kKnockWrong,
  kKnockRepeated,
  kKnockRight,
  kProbed,        // By the server, as it was asked to; answered.
  kAcceptFailed,  // Out of descriptors, for example; accepting goes on.
  kCount
};

// One thread. Stop it before it is destroyed; coroutines keep what they need.
class LinkListener : public std::enable_shared_from_this<LinkListener> {
 public:
  // Held while a connection counts as unproven; drop it when HELLO is done or has failed.
  using Ticket = std::shared_ptr<void>;
  using OnKnock = std::function<void(asio::ip::tcp::socket socket, const RequestId& link,
                                     const net::SocketAddress& from, Ticket ticket)>;
  // The only bytes that anybody but an approved peer gets; nullopt: none.
  using OnStranger = std::function<std::optional<crypto::Mac128>(const KnockBytes& first)>;

  // `guard` and the functions are used until Stop.
  LinkListener(asio::io_context& io, const config::Timing& timing, KnockGuard& guard,
               OnKnock on_knock, OnStranger on_stranger);
  // Takes the first of `ports` that is free, on all addresses or on loopback only, for itself, and
  // refuses connections to it. AlreadyExists: none is free.
  absl::StatusOr<uint16_t> Reserve(const std::vector<uint16_t>& ports, bool loopback_only);
  // Accepts connections, or refuses them again; those accepted stay.
  void SetOpen(bool open);
  void Stop();

  uint16_t port() const { return port_; }
  const Counters<ListenerCount>& counters() const { return counters_; }

 private:
  absl::Status BindForGood(uint16_t port, bool loopback_only);
  absl::Status Bind(uint16_t port, bool loopback_only);
  void Pause();
  bool IsCurrent(uint64_t opening) const { return !stopped_ && open_ && opening == openings_; }
  asio::awaitable<void> AcceptLoop(uint64_t opening);
  asio::awaitable<void> ReadKnock(asio::ip::tcp::socket socket, net::SocketAddress from,
                                  Ticket ticket);
  void AnswerStranger(asio::ip::tcp::socket& socket, const KnockBytes& first);
  Ticket Admit(const net::IpAddress& source);

  asio::io_context& io_;
  const config::Timing timing_;
  KnockGuard* guard_;
  OnKnock on_knock_;
  OnStranger on_stranger_;
  asio::ip::tcp::acceptor acceptor_;
  uint16_t port_ = 0;
  bool stopped_ = false;
  bool open_ = false;
  uint64_t openings_ = 0;
  size_t unproven_ = 0;
  absl::flat_hash_map<net::IpAddress, size_t> per_source_;
  Counters<ListenerCount> counters_;
};

}  // namespace p2p::client
