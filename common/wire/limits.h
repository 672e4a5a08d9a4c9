// Every limit that both ends of a wire must agree on. Repeated in the .proto comments and the pages
// proto/*.md; a test compares.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/time.h"

namespace p2p::wire {

// Control API (proto/p2p/v1).
inline constexpr size_t kMinUsername = 3;
inline constexpr size_t kMaxUsername = 32;
inline constexpr size_t kMinPasswordChars = 8;
inline constexpr size_t kMaxPasswordChars = 256;
inline constexpr size_t kMaxClientVersion = 64;
inline constexpr size_t kMaxServerName = 64;
inline constexpr size_t kMaxGreeting = 200;
inline constexpr size_t kMaxTargetText = 64;
inline constexpr size_t kMaxReasonChars = 200;
inline constexpr size_t kNonceSize = 16;
inline constexpr size_t kDeviceKeySize = 32;
inline constexpr size_t kMaxCandidates = 4;
inline constexpr size_t kMaxEndpointText = 45;
inline constexpr uint16_t kMinChatPort = 1024;
inline constexpr size_t kMaxBroadcastText = 60 * 1024;
inline constexpr size_t kMaxIdempotencyKey = 64;
inline constexpr uint32_t kMaxBroadcastTtlSeconds = 1800;
inline constexpr uint32_t kDefaultPageSize = 500;
inline constexpr uint32_t kMaxPageSize = 1000;
inline constexpr size_t kMaxPageToken = 64;
inline constexpr uint32_t kApiVersion = 1;
inline constexpr uint16_t kDefaultPort = 4400;

}  // namespace p2p::wire
