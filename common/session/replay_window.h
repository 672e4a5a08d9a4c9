// Which packet numbers were seen: the bitmap ring of RFC 6479, 64 bits wide, never wrapping.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "common/wire/datagram_limits.h"

namespace p2p::session {

// One direction. Consult it only after the tag verified: an unauthenticated number must not move
// the window. `packets` is a multiple of 64.
template <uint64_t packets>
class ReplayWindow {
 public:
  // True, and remembered, when `packet_no` was not seen before and is not older than the window.
  bool Accept(uint64_t packet_no) {
    const uint64_t word = packet_no / kWordBits;
    if (packet_no > newest_) {
      // Clear the words between, at most one turn of the ring.
      const uint64_t current = newest_ / kWordBits;
      const uint64_t steps = std::min(word - current, kWords);
      for (uint64_t i = 1; i <= steps; ++i) ring_[(current + i) % kWords] = 0;
      newest_ = packet_no;
    } else if (newest_ - packet_no >= packets) {
      return false;
    }
    uint64_t& bits = ring_[word % kWords];
    const uint64_t bit = uint64_t{1} << (packet_no % kWordBits);
    if ((bits & bit) != 0) return false;
    bits |= bit;
    return true;
  }
  // The newest number accepted; 0 before the first.
  uint64_t newest() const { return newest_; }

 private:
  static constexpr uint64_t kWordBits = 64;
  static_assert(packets % kWordBits == 0);
  // One word more than the window: the word being overwritten is never one still in use.
  static constexpr uint64_t kWords = packets / kWordBits + 1;
  uint64_t newest_ = 0;
  std::array<uint64_t, kWords> ring_{};
};

}  // namespace p2p::session
