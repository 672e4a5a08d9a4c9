// Many broadcast receivers on real sockets, on one thread: the product's receiver, without journal
// and signature, so that it is the relay that is measured.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/config/timing.h"
#include "common/net/address.h"
#include "common/net/fd.h"
#include "peer-client/broadcast/receiver_core.h"
#include "udp-relay/core/timer_wheel.h"

namespace p2p::bench {

class RelayFleet {
 public:
  // Called on the fleet's thread when a member has a whole broadcast that it did not have before.
  using OnPayload = std::function<void(size_t member, BroadcastId id, ByteView payload)>;
  // Members' ids and keys follow from `seed`, so that another process can tell the relay.
  RelayFleet(size_t size, uint64_t seed, const config::Timing& timing, OnPayload on_payload);
  ~RelayFleet();

  size_t size() const { return members_.size(); }
  ConnId conn(size_t i) const;
  Secret<32> psk(size_t i) const;
  // Local ports, in the order of the members, once opened.
  std::vector<net::SocketAddress> addresses() const;

  // Sockets towards `relay`, and the first REGISTERs, spread over `window`.
  absl::Status Open(const net::SocketAddress& relay, Duration window);
  // Until `stop`.
  void Run(const std::atomic<bool>& stop);

  // From any thread.
  size_t working() const { return working_.load(std::memory_order_relaxed); }
  // Of those that ever had a session, how long that took from their first REGISTER on.
  std::vector<Duration> registered() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t datagrams() const { return datagrams_.load(std::memory_order_relaxed); }
  // Broadcasts that a member had already; the promise is that there are none.
  uint64_t doubled() const { return doubled_.load(std::memory_order_relaxed); }

 private:
  class Member;
  void Serve(size_t i);
  void Pump(size_t i);
  absl::Status OpenSocket(size_t i);

  config::Timing timing_;
  SeededRandom random_;
  OnPayload on_payload_;
  net::SocketAddress relay_;
  net::UniqueFd epoll_;
  std::vector<std::unique_ptr<Member>> members_;
  relay::TimerWheel timers_;
  mutable Mutex mu_;
  std::vector<Duration> registered_ ABSL_GUARDED_BY(mu_);
  std::atomic<size_t> working_{0};
  std::atomic<uint64_t> datagrams_{0};
  std::atomic<uint64_t> doubled_{0};
};

}  // namespace p2p::bench
