// How a client whose chat port the server dials tells the server from a stranger, and the server
// the client from whoever else may answer at that address (CheckInbound in p2p/v1/peering.proto).
// Pure.
#pragma once

#include <array>
#include <cstdint>

#include "common/crypto/hash.h"

namespace p2p::crypto {

// Made by the server for one check, and known to that client alone (over TLS).
using InboundChallenge = std::array<uint8_t, 32>;
using InboundRandom = std::array<uint8_t, 16>;
// As long as a knock (proto/PEER_LINK.md), so that a listener reads the same number of bytes.
using InboundProbe = std::array<uint8_t, 32>;

// random ‖ HMAC-SHA256-128(challenge, "p2p-probe v1" ‖ random).
InboundProbe MakeInboundProbe(const InboundChallenge& challenge, const InboundRandom& random);
// In constant time.
bool InboundProbeMatches(const InboundChallenge& challenge, const InboundProbe& probe);
// HMAC-SHA256-128(challenge, "p2p-probe-answer v1" ‖ probe).
Mac128 InboundAnswer(const InboundChallenge& challenge, const InboundProbe& probe);

}  // namespace p2p::crypto
