// Brings what the relay reports from the relay's thread to the hub thread.
#pragma once

#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "asio/io_context.hpp"
#include "common/base/counters.h"
#include "common/base/mutex.h"
#include "common/relay/relay_port.h"

namespace p2p::server {

enum class RelayEventCount { kForwarded, kDropped, kCount };

class HubRelayEvents final : public relay::RelayEvents {
 public:
  // The hub runs no handler after its destruction.
  explicit HubRelayEvents(asio::io_context& hub) : hub_(hub) {}

  // Called on the hub thread for every event, in the order in which they were added. Before the
  // relay starts.
  void AddListener(relay::RelayEvents& listener) { listeners_.push_back(&listener); }
  // Called on the hub thread when the relay lost everything, to feed it the sessions again. What it
  // posts to the hub runs before the listeners hear of it: they queue for sessions that exist.
  // Before the relay starts.
  void SetFeedSessions(absl::AnyInvocable<void()> feed) { feed_sessions_ = std::move(feed); }

  // Any thread. Beyond kMaxWaiting reports are dropped and counted: an acknowledgement that is lost
  // here makes the channel offer the broadcast again, which the client acknowledges again.
  void OnDelivered(ConnId session, BroadcastId broadcast) override {
    Push(Delivered{session, broadcast});
  }
  void OnReachable(ConnId session, bool reachable) override { Push(Reachable{session, reachable}); }
  void OnRelayRestarted() override { Push(Restarted{}); }  // Never dropped.

  const Counters<RelayEventCount>& counters() const { return counters_; }

  static constexpr size_t kMaxWaiting = 100'000;

 private:
  struct Delivered {
    ConnId session;
    BroadcastId broadcast;
  };
  struct Reachable {
    ConnId session;
    bool reachable;
  };
  struct Restarted {};
  using Event = std::variant<Delivered, Reachable, Restarted>;

  void Push(const Event& event) ABSL_LOCKS_EXCLUDED(mu_);
  void Drain() ABSL_LOCKS_EXCLUDED(mu_);
  void Tell(const Event& event);

  asio::io_context& hub_;
  std::vector<relay::RelayEvents*> listeners_;
  absl::AnyInvocable<void()> feed_sessions_;
  Counters<RelayEventCount> counters_;
  Mutex mu_;
  std::vector<Event> waiting_ ABSL_GUARDED_BY(mu_);  // Not empty: a drain is posted.
};

}  // namespace p2p::server
