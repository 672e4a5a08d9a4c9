// One connection to a client's chat port, to find out whether a peer could make it. Blocks.
#pragma once

#include <atomic>

#include "common/base/clock.h"
#include "common/crypto/inbound_probe.h"
#include "common/net/address.h"

namespace p2p::server {

enum class Inbound { kReached, kRefused, kNoAnswer, kSomebodyElse };

struct InboundOrder {
  crypto::InboundChallenge challenge{};
  crypto::InboundRandom random{};
  Duration timeout = 4s;  // For the connection and the answer together.
};

// Ends within 100 ms after `stopped`, with what it knows. Not on a thread that answers calls.
Inbound DialBack(const net::SocketAddress& to, const InboundOrder& order, const Clock& clock,
                 const std::atomic<bool>& stopped);

}  // namespace p2p::server
