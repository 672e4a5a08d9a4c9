#include "udp-relay/io/relay_workers.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/memory/memory.h"
#include "common/base/check.h"
#include "udp-relay/io/shared_port.h"

namespace p2p::relay {
namespace {

constexpr double kBytesPerMbit = 125'000;
// So long the egress cap may be passed by at once, and no less than this.
constexpr double kBurstSeconds = 0.032;
constexpr double kLeastBurst = 64 * wire::kMaxDatagram;

}  // namespace

RelayOptions ForOneWorker(RelayOptions options, const RelaySetup& setup) {
  const double share = 1.0 / setup.workers;
  const double bytes_per_second = static_cast<double>(setup.egress_mbit) * kBytesPerMbit * share;
  options.egress_bytes_per_second = bytes_per_second;
  options.egress_burst_bytes = std::max(bytes_per_second * kBurstSeconds, kLeastBurst);
  options.register_total_rate *= share;
  return options;
}

absl::StatusOr<std::unique_ptr<RelayWorkers>> RelayWorkers::Start(
    const net::SocketAddress& listen, const RelaySetup& setup, const RelayOptions& options,
    const Clock& clock, Random& random, RelayEvents& events) {
  P2P_RETURN_IF_ERROR(setup.Check());
  P2P_ASSIGN_OR_RETURN(auto sockets, OpenRelaySockets(listen, setup.workers));
  auto out = absl::WrapUnique(new RelayWorkers);
  for (net::UniqueFd& socket : sockets) {
    P2P_ASSIGN_OR_RETURN(
        auto worker,
        RelayWorker::Start(std::move(socket), ForOneWorker(options, setup), clock, random, events));
    out->workers_.push_back(std::move(worker));
  }
  return out;
}

size_t RelayWorkers::sessions() const {
  size_t out = 0;
  for (const auto& worker : workers_) out += worker->sessions();
  return out;
}

RelayWorker& RelayWorkers::At(ConnId session) {
  return *workers_[SocketOf(session, workers_.size())];
}

void RelayWorkers::AddSession(ConnId session, Secret<32> psk) {
  At(session).AddSession(session, std::move(psk));
}
void RelayWorkers::RemoveSession(ConnId session) { At(session).RemoveSession(session); }
void RelayWorkers::AddBroadcast(SignedBroadcastPtr broadcast, MonoTime expires) {
  for (const auto& worker : workers_) worker->AddBroadcast(broadcast, expires);
}
void RelayWorkers::RemoveBroadcast(BroadcastId broadcast) {
  for (const auto& worker : workers_) worker->RemoveBroadcast(broadcast);
}
void RelayWorkers::Queue(ConnId session, BroadcastId broadcast) {
  At(session).Queue(session, broadcast);
}

void RelayWorkers::QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) {
  if (workers_.size() == 1) return workers_.front()->QueueForAll(std::move(sessions), broadcast);
  std::vector<std::vector<ConnId>> shares(workers_.size());
  for (const ConnId session : sessions) {
    shares[SocketOf(session, shares.size())].push_back(session);
  }
  for (size_t i = 0; i < shares.size(); ++i) {
    if (!shares[i].empty()) workers_[i]->QueueForAll(std::move(shares[i]), broadcast);
  }
}

void RelayWorkers::Clear() {
  for (const auto& worker : workers_) worker->Clear();
}

void RelayWorkers::Drain(absl::AnyInvocable<void()> idle) {
  struct Shared {
    std::atomic<size_t> busy;
    absl::AnyInvocable<void()> idle;
  };
  auto shared = std::make_shared<Shared>(workers_.size(), std::move(idle));
  for (const auto& worker : workers_) {
    worker->Drain([shared] {
      if (--shared->busy == 0) shared->idle();
    });
  }
}

}  // namespace p2p::relay
