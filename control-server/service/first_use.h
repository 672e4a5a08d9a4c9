// Remembers that a renewed token was presented: from then on its predecessor is spent, and whoever
// resumes with that one ends the session.
#pragma once

#include "control-server/service/session_table.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

// Thread-safe, never blocks.
class FirstUse {
 public:
  FirstUse(SessionTable& sessions, StoreQueue& store) : sessions_(sessions), store_(store) {}

  // For every token that is presented. The first time, the session's older access tokens die and
  // the store learns of it, in the order of its queue: before any Resume that comes later. When the
  // store cannot take it, the next time counts as the first.
  void Note(const CallerPtr& caller) {
    if (caller->unused.load(std::memory_order_relaxed) && caller->unused.exchange(false)) {
      Remember(caller);
    }
  }

 private:
  void Remember(const CallerPtr& caller);

  SessionTable& sessions_;
  StoreQueue& store_;
};

}  // namespace p2p::server
