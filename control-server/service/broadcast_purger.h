// Makes the text of expired broadcasts vanish from the store's files, and drops their rows after a
// day. Hub thread only.
#pragma once

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/clock.h"
#include "common/config/timing.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

class BroadcastPurger {
 public:
  // All outlive it, and the hub runs no handler after its destruction.
  BroadcastPurger(asio::io_context& hub, StoreQueue& store, const Clock& clock,
                  const config::Timing& timing)
      : store_(store), clock_(clock), timing_(timing), timer_(hub) {}

  // Purges now and then every kInterval, so that text is gone well within 60 s of its expiry even
  // when one try is refused.
  void Start() { Purge(); }
  void Stop() { timer_.cancel(); }

  static constexpr Duration kInterval = 15s;

 private:
  void Purge();

  StoreQueue& store_;
  const Clock& clock_;
  const config::Timing& timing_;
  asio::steady_timer timer_;
};

}  // namespace p2p::server
