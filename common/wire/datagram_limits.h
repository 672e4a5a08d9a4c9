// Numbers of the relay's datagrams. proto/RELAY_DATAGRAM.md repeats them; a test compares.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/time.h"
#include "common/wire/broadcast_object.h"
#include "common/wire/limits.h"

namespace p2p::wire {

inline constexpr uint8_t kDatagramVersion = 1;
// Fits the smallest IPv6 MTU (1280 - 40 IPv6 - 8 UDP = 1232) with room for one tunnel header.
inline constexpr size_t kMaxDatagram = 1200;
// version and kind 1, epoch 1, zero 2, conn_id 8, packet_no 8.
inline constexpr size_t kDatagramHeaderSize = 20;
inline constexpr size_t kSealTagSize = 16;
inline constexpr size_t kMaxFrameBytes = kMaxDatagram - kDatagramHeaderSize - kSealTagSize;
// An empty DATA datagram carries no frame and is refused, so the smallest holds one frame header.
inline constexpr size_t kFrameHeaderSize = 3;
inline constexpr size_t kMinDataDatagram = kDatagramHeaderSize + kFrameHeaderSize + kSealTagSize;

// A packet number is never used twice under one key; a session ends before this one.
inline constexpr uint64_t kMaxPacketNumber = uint64_t{1} << 48;
inline constexpr size_t kReplayWindowPackets = 8192;       // To a client.
inline constexpr size_t kRelayReplayWindowPackets = 1024;  // To the relay: ADR 0005.
// A key seals for so long and for so many packets; the one before is taken for a while.
inline constexpr Duration kEpochLife = 60min;
inline constexpr uint64_t kEpochPackets = uint64_t{1} << 32;
inline constexpr Duration kOldEpochLife = 30s;

// BFRAG: bcast_id 16, index 2, count 2, total 4, then the bytes.
inline constexpr size_t kFragmentOverhead = 24;
inline constexpr size_t kAckWindowSize = kFrameHeaderSize + 2;  // There is always room for one.
inline constexpr size_t kFragmentBytes =
    kMaxFrameBytes - kAckWindowSize - kFrameHeaderSize - kFragmentOverhead;
inline constexpr size_t kMaxSignedObject = kMaxBroadcastObject;
inline constexpr size_t kBroadcastSignatureSize = 64;
// What is cut into fragments: object length 2, object, signature, text.
inline constexpr size_t kMaxBroadcastPayload =
    2 + kMaxSignedObject + kBroadcastSignatureSize + kMaxBroadcastText;
inline constexpr size_t kMaxFragments = 55;
static_assert((kMaxBroadcastPayload + kFragmentBytes - 1) / kFragmentBytes == kMaxFragments);
static_assert(kMaxFragments <= 64, "an ACK holds one 64-bit map");
inline constexpr size_t kMaxPartials = 8;  // Incomplete messages per session.

// Registration.
inline constexpr size_t kRegisterSize = 256;
inline constexpr size_t kChallengeSize = 64;
inline constexpr size_t kRegisteredSize = 96;
inline constexpr size_t kRandomSize = 16;
inline constexpr size_t kMacSize = 16;
inline constexpr size_t kMaxRegisterHave = 10;
inline constexpr size_t kMaxSyncHave = 64;
static_assert(kChallengeSize <= kRegisterSize && kRegisteredSize <= kRegisterSize,
              "never answer an unproven address with more than it sent");

inline constexpr size_t kPathTokenSize = 16;
inline constexpr size_t kPingTokenSize = 8;

}  // namespace p2p::wire
