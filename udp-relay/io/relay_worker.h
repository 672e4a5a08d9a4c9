// The relay as its owner holds it: an engine on a thread of its own, fed by orders.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "udp-relay/core/relay_engine.h"
#include "udp-relay/io/huge_pages.h"
#include "udp-relay/io/order_queue.h"
#include "udp-relay/io/relay_socket.h"

namespace p2p::relay {

// RelayPort's methods and the counters may be used from any thread. `clock`, `random` (thread-safe)
// and `events` outlive the worker. The destructor ends and joins the thread: never destroy it from
// within an event.
class RelayWorker final : public RelayPort {
 public:
  // `socket` is bound: OpenRelaySocket(listen).
  static absl::StatusOr<std::unique_ptr<RelayWorker>> Start(net::UniqueFd socket,
                                                            const RelayOptions& options,
                                                            const Clock& clock, Random& random,
                                                            RelayEvents& events);
  ~RelayWorker() override;

  // What it is bound to, with the real port.
  const net::SocketAddress& address() const { return socket_->address(); }
  const RelayCounters& counters() const { return counters_; }
  const IoCounters& io_counters() const { return io_counters_; }
  size_t sessions() const { return sessions_.load(std::memory_order_relaxed); }

  void AddSession(ConnId session, Secret<32> psk) override;
  void RemoveSession(ConnId session) override;
  void AddBroadcast(SignedBroadcastPtr broadcast, MonoTime expires) override;
  void RemoveBroadcast(BroadcastId broadcast) override;
  void Queue(ConnId session, BroadcastId broadcast) override;
  void QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) override;

  // Orders of a relay that is a process of its own; in turn with those above.
  void Clear();
  // `idle` is called once, on the worker's thread, when nothing is left to send to any session that
  // can be reached; it may come at once, and never when that does not happen.
  void Drain(absl::AnyInvocable<void()> idle);

 private:
  RelayWorker(const RelayOptions& options, const Clock& clock, Random& random, RelayEvents& events);
  absl::Status Init(net::UniqueFd socket);
  void Run();
  // False when the worker is to end.
  bool CarryOutOrders();
  // Carries out no more than `most` of it, and takes that off; false when something is left.
  bool CarryOut(Order& order, size_t& most);
  bool MayReceive() const;
  void ReceiveSome();
  void SendSome();
  void WatchWritable(bool on);
  void Gather();
  int TimeoutMs() const;

  const Clock& clock_;
  RelayEvents& events_;
  RelayCounters counters_;
  IoCounters io_counters_;
  HugePages memory_;
  RelayEngine engine_;
  std::unique_ptr<RelaySocket> socket_;
  std::unique_ptr<OrderQueue> orders_;
  OrderQueue::Batch batch_;  // Of it, being carried out …
  size_t next_order_ = 0;    // … from here on.
  net::UniqueFd epoll_;
  Outbox replies_;
  Outbox outbox_;
  MonoTime received_{};      // When datagrams were last taken in.
  bool blocked_ = false;     // Waiting for the socket to be writable.
  bool no_buffers_ = false;  // Waiting a millisecond.
  bool watching_ = false;
  absl::AnyInvocable<void()> when_idle_;  // Null: not draining.
  std::atomic<size_t> sessions_{0};
  std::thread thread_;
};

}  // namespace p2p::relay
