#include "control-server/service/hub_relay_events.h"

#include "asio/post.hpp"

namespace p2p::server {

void HubRelayEvents::Push(const Event& event) {
  {
    MutexLock lock(mu_);
    if (waiting_.size() >= kMaxWaiting && !std::holds_alternative<Restarted>(event)) {
      counters_.Add(RelayEventCount::kDropped);
      return;
    }
    waiting_.push_back(event);
    if (waiting_.size() > 1) return;
  }
  asio::post(hub_, [this] { Drain(); });
}

void HubRelayEvents::Drain() {
  std::vector<Event> events;
  {
    MutexLock lock(mu_);
    events.swap(waiting_);
  }
  counters_.Add(RelayEventCount::kForwarded, events.size());
  for (const Event& event : events) Tell(event);
}

void HubRelayEvents::Tell(const Event& event) {
  if (std::holds_alternative<Restarted>(event)) {
    if (feed_sessions_) feed_sessions_();
    asio::post(hub_, [this] {
      for (relay::RelayEvents* listener : listeners_) listener->OnRelayRestarted();
    });
    return;
  }
  for (relay::RelayEvents* listener : listeners_) {
    if (const auto* delivered = std::get_if<Delivered>(&event)) {
      listener->OnDelivered(delivered->session, delivered->broadcast);
    } else if (const auto* reachable = std::get_if<Reachable>(&event)) {
      listener->OnReachable(reachable->session, reachable->reachable);
    }
  }
}

}  // namespace p2p::server
