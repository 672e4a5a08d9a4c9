// By which way a broadcast came first: what the user is shown, and what the sender is told.
#pragma once

#include <cstdint>

namespace p2p::client {

enum class BroadcastVia : uint8_t { kUdp = 0, kChannel = 1 };

}  // namespace p2p::client
