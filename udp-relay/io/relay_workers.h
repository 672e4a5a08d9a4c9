// Several relay workers behind one UDP port: each has a thread, a socket and a share of the
// sessions.
#pragma once

#include <memory>
#include <vector>

#include "common/relay/relay_setup.h"
#include "udp-relay/io/relay_worker.h"

namespace p2p::relay {

// `options` for one of the workers: limits in all are shared out evenly.
RelayOptions ForOneWorker(RelayOptions options, const RelaySetup& setup);

// A session lives at the worker that its conn_id names, and the kernel hands each datagram to that
// one: SO_ATTACH_REUSEPORT_CBPF of socket(7) reads the conn_id, which stands at the same place in
// every datagram of a client. With one worker the socket is an ordinary one. Threads as in
// RelayWorker; `clock`, `random` and `events` outlive it, and `events` is called from every
// worker's thread.
class RelayWorkers final : public RelayPort {
 public:
  // Binds `listen`. AlreadyExists or another error of bind(2) when somebody has the port.
  static absl::StatusOr<std::unique_ptr<RelayWorkers>> Start(const net::SocketAddress& listen,
                                                             const RelaySetup& setup,
                                                             const RelayOptions& options,
                                                             const Clock& clock, Random& random,
                                                             RelayEvents& events);

  const net::SocketAddress& address() const { return workers_.front()->address(); }
  size_t sessions() const;
  size_t size() const { return workers_.size(); }
  const RelayWorker& worker(size_t i) const { return *workers_[i]; }

  void AddSession(ConnId session, Secret<32> psk) override;
  void RemoveSession(ConnId session) override;
  void AddBroadcast(SignedBroadcastPtr broadcast, MonoTime expires) override;
  void RemoveBroadcast(BroadcastId broadcast) override;
  void Queue(ConnId session, BroadcastId broadcast) override;
  void QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) override;
  void Clear();
  // `idle` is called once, on a worker's thread, when every worker has nothing left to send.
  void Drain(absl::AnyInvocable<void()> idle);

 private:
  RelayWorkers() = default;
  RelayWorker& At(ConnId session);

  std::vector<std::unique_ptr<RelayWorker>> workers_;
};

}  // namespace p2p::relay
