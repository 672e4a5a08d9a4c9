// The calls of RelayPort as values, for the queues between threads and between processes.
#pragma once

#include <variant>
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

// What the queues between threads and between processes hold at most, in bytes of orders; texts are
// not counted, they are shared with whoever feeds. Room for every fan-out that one account can have
// waiting (1,024) to 10,000 sessions, and half as much again.
inline constexpr size_t kMaxOrderBytes = size_t{128} << 20;

// Of one order: any of std::variant's that may be a QueueForAllOrder.
template <class Order>
size_t OrderBytes(const Order& order) {
  const auto* all = std::get_if<QueueForAllOrder>(&order);
  return sizeof(Order) + (all == nullptr ? 0 : all->sessions.size() * sizeof(ConnId));
}

// Visits with one lambda an alternative.
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace p2p::relay
