#include "control-server/relay_link/remote_relay.h"

#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/base/log.h"

namespace p2p::server {

// ---- Orders -------------------------------------------------------------------------------------

void RemoteRelay::AddSession(ConnId session, Secret<32> psk) {
  OutboxPtr outbox;
  {
    MutexLock lock(mu_);
    outbox = Open();
    sessions_[session] = outbox == nullptr;
  }
  if (outbox != nullptr) {
    outbox->Push(relay::AddSessionOrder{session, std::move(psk)});
  } else {
    counters_.Add(LinkCount::kDropped);
    events_.OnReachable(session, false);
  }
}

void RemoteRelay::RemoveSession(ConnId session) {
  OutboxPtr outbox;
  {
    MutexLock lock(mu_);
    sessions_.erase(session);
    if (link_.registered) outbox = link_.outbox;  // A draining relay need not wait for it.
  }
  if (outbox != nullptr) outbox->Push(relay::RemoveSessionOrder{session});
}

void RemoteRelay::AddBroadcast(relay::SignedBroadcastPtr broadcast, MonoTime expires) {
  Send(relay::AddBroadcastOrder{std::move(broadcast), expires});
}

void RemoteRelay::RemoveBroadcast(BroadcastId broadcast) {
  Send(relay::RemoveBroadcastOrder{broadcast});
}

void RemoteRelay::Queue(ConnId session, BroadcastId broadcast) {
  OutboxPtr outbox;
  bool tell = false;
  {
    MutexLock lock(mu_);
    outbox = Open();
    if (outbox == nullptr) {
      const auto it = sessions_.find(session);
      tell = it != sessions_.end() && !std::exchange(it->second, true);
    }
  }
  if (outbox != nullptr) {
    outbox->Push(relay::QueueOrder{session, broadcast});
    return;
  }
  counters_.Add(LinkCount::kDropped);
  if (tell) events_.OnReachable(session, false);
}

void RemoteRelay::QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) {
  OutboxPtr outbox;
  {
    MutexLock lock(mu_);
    outbox = Open();
  }
  if (outbox != nullptr) {
    outbox->Push(relay::QueueForAllOrder{std::move(sessions), broadcast});
    return;
  }
  for (const ConnId& session : sessions) Queue(session, broadcast);
}

void RemoteRelay::Send(LinkOrder order) {
  OutboxPtr outbox;
  {
    MutexLock lock(mu_);
    outbox = Open();
  }
  if (outbox == nullptr) return counters_.Add(LinkCount::kDropped);
  outbox->Push(std::move(order));
}

RemoteRelay::OutboxPtr RemoteRelay::Open() const {
  return link_.takes_orders() ? link_.outbox : nullptr;
}

RelayAddress RemoteRelay::address() const {
  MutexLock lock(mu_);
  return link_.takes_orders() ? link_.address : RelayAddress{};
}

size_t RemoteRelay::sessions() const {
  MutexLock lock(mu_);
  return sessions_.size();
}

// ---- The link -----------------------------------------------------------------------------------

bool RemoteRelay::Claim(const OutboxPtr& outbox, const net::SocketAddress& peer) {
  MutexLock lock(mu_);
  if (stopped_ || link_.outbox != nullptr) return false;
  link_ = {};
  link_.outbox = outbox;
  link_.peer = peer;
  link_.claimed = clock_.Mono();
  return true;
}

void RemoteRelay::Register(const OutboxPtr& outbox, RelayAddress address) {
  outbox->Push(RegisteredOrder{});  // Before any order: they are accepted from below on.
  {
    MutexLock lock(mu_);
    P2P_CHECK(link_.outbox == outbox);
    link_.registered = true;
    link_.address = address;
    for (auto& [session, told] : sessions_) told = false;
  }
  counters_.Add(LinkCount::kLinked);
  LogInfo("relay_linked", {{"ip", address.ip_address}, {"port", address.port}});
  events_.OnRelayRestarted();
}

void RemoteRelay::OnDelivered(ConnId session, BroadcastId broadcast) {
  events_.OnDelivered(session, broadcast);
}

void RemoteRelay::OnReachable(ConnId session, bool reachable) {
  {
    MutexLock lock(mu_);
    if (link_.draining && reachable) return;  // Not for long.
  }
  events_.OnReachable(session, reachable);
}

void RemoteRelay::OnDraining() {
  MutexLock lock(mu_);
  link_.draining = true;
}

void RemoteRelay::Release(const OutboxPtr& outbox) {
  if (outbox->overflowed()) counters_.Add(LinkCount::kOverflows);
  std::vector<ConnId> lost;
  {
    MutexLock lock(mu_);
    P2P_CHECK(link_.outbox == outbox);
    link_.draining = true;  // Nobody else may claim it before everybody was told.
    for (auto& [session, told] : sessions_) {
      if (!std::exchange(told, true)) lost.push_back(session);
    }
  }
  for (const ConnId& session : lost) events_.OnReachable(session, false);
  bool registered = false;
  {
    MutexLock lock(mu_);
    registered = link_.registered;
    link_ = {};
  }
  if (registered) LogInfo("relay_unlinked", {{"sessions", lost.size()}});
}

void RemoteRelay::Housekeep() {
  Link link;
  {
    MutexLock lock(mu_);
    link = link_;
  }
  if (link.outbox == nullptr) return;
  const MonoTime now = clock_.Mono();
  if (!link.registered && now - link.claimed >= timing_.hello) {
    counters_.Add(LinkCount::kBadRegister);
    link.outbox->End(
        grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "RelayRegister did not come in time"));
  }
  if (const auto since = link.outbox->WritingSince();
      since && now - *since >= timing_.slow_reader) {
    counters_.Add(LinkCount::kStuckReaders);
    LogWarning("relay_stuck", {{"relay", link.peer.ToString()}});
    connections_.Close(link.peer, Duration::zero());  // The end of the connection ends the call.
  }
}

void RemoteRelay::Stop() {
  OutboxPtr outbox;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    outbox = link_.outbox;
  }
  if (outbox == nullptr) return;
  outbox->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
}

}  // namespace p2p::server
