// A relay at work on a real socket, and what it says of deliveries: the owner's side of the relay's
// benchmarks.
#pragma once

#include <memory>

#include "common/base/clock.h"
#include "common/crypto/os_random.h"
#include "tests/bench/relay_fleet.h"
#include "udp-relay/io/relay_worker.h"

namespace p2p::bench {

// A broadcast with an invalid signature: nobody here looks at it.
relay::SignedBroadcastPtr MakeBroadcast(size_t text_bytes, Random& random);
size_t PayloadBytes(const relay::SignedBroadcast& broadcast);
// In how many datagrams it travels.
size_t FragmentsOf(const relay::SignedBroadcast& broadcast);

// Notes, between two batches of the worker, when so many fragments were out.
class WatchingClock final : public Clock {
 public:
  MonoTime Mono() const override;
  WallTime Wall() const override { return clock_.Wall(); }
  void Watch(const relay::RelayCounters& counters, uint64_t fragments);
  // The beginning of time until then.
  MonoTime reached() const { return reached_.load(); }

 private:
  SystemClock clock_;
  std::atomic<const relay::RelayCounters*> counters_{nullptr};
  std::atomic<uint64_t> fragments_{0};
  mutable std::atomic<MonoTime> reached_{MonoTime{}};
};

class RelayTown final : public relay::RelayEvents {
 public:
  // On a loopback port of its own.
  static absl::StatusOr<std::unique_ptr<RelayTown>> Start(const relay::RelayOptions& options);

  const net::SocketAddress& address() const { return worker_->address(); }
  const relay::RelayCounters& counters() const { return worker_->counters(); }
  void Admit(const RelayFleet& fleet);
  // The relay's own socket, for others to send from.
  int socket() const { return socket_.get(); }
  WatchingClock& clock() { return clock_; }
  // To everybody who was admitted.
  void Publish(const relay::SignedBroadcastPtr& broadcast);
  uint64_t delivered() const { return delivered_.load(std::memory_order_relaxed); }
  uint64_t reachable() const { return reachable_.load(std::memory_order_relaxed); }

 private:
  RelayTown() = default;
  void OnDelivered(ConnId, BroadcastId) override {
    delivered_.fetch_add(1, std::memory_order_relaxed);
  }
  void OnReachable(ConnId, bool is) override {
    reachable_.fetch_add(is ? 1 : uint64_t{0} - 1, std::memory_order_relaxed);
  }
  void OnRelayRestarted() override {}

  WatchingClock clock_;
  net::UniqueFd socket_;
  crypto::OsRandom random_;
  std::vector<ConnId> admitted_;
  std::atomic<uint64_t> delivered_{0};
  std::atomic<uint64_t> reachable_{0};
  std::unique_ptr<relay::RelayWorker> worker_;
};

}  // namespace p2p::bench
