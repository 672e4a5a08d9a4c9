// How many connections this process can hold. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"

namespace p2p::server {

// Without --max-connections no server takes more than this.
inline constexpr uint64_t kDefaultMaxConnections = 10'000;
// Places above the cap that hear "full" instead of being cut without a word.
inline constexpr uint32_t kFullPlaces = 16;

// Descriptors that are not for connections: the store, listeners, the relay, gRPC's own, the places
// above the cap, and what a burst may hold for a moment. clamp(3/8 of the limit, 96, 300).
uint64_t ReservedDescriptors(uint64_t descriptor_limit);

// The connection cap under a descriptor limit (RLIMIT_NOFILE). InvalidArgument, with what to do
// about it, when `requested` is zero or does not fit, or when the limit leaves no room at all.
absl::StatusOr<uint32_t> ConnectionCap(uint64_t descriptor_limit,
                                       std::optional<uint64_t> requested);

// Connections without a log-in that are tolerated, in all and of one source, while others may want
// the places.
uint32_t MaxUnauthenticated(uint32_t cap);

// Raises the soft RLIMIT_NOFILE to the hard one and returns what is in force.
absl::StatusOr<uint64_t> RaiseDescriptorLimit();

}  // namespace p2p::server
