// The calls of RelayPort as values, for the queues between threads and between processes.
#pragma once

#include <vector>

#include "common/relay/relay_port.h"

namespace p2p::relay {

struct AddSessionOrder {
  ConnId session;
  Secret<32> psk;
};
struct RemoveSessionOrder {
  ConnId session;
};
struct AddBroadcastOrder {
  SignedBroadcastPtr broadcast;
  MonoTime expires;
};
struct RemoveBroadcastOrder {
  BroadcastId broadcast;
};
struct QueueOrder {
  ConnId session;
  BroadcastId broadcast;
};

// The same for many sessions at once.
struct QueueForAllOrder {
  std::vector<ConnId> sessions;
  BroadcastId broadcast;
  size_t done = 0;  // Of the sessions.
};

// Visits with one lambda an alternative.
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace p2p::relay
