// Which packet numbers were seen: the bitmap ring of RFC 6479, 64 bits wide, never wrapping.
#pragma once

#include <array>
#include <cstdint>

#include "common/wire/datagram_limits.h"

namespace p2p::session {

// One direction and epoch. Consult it only after the tag verified: an unauthenticated number must
// not move the window.
class ReplayWindow {
 public:
  // True, and remembered, when `packet_no` was not seen before and is not older than the window.
  bool Accept(uint64_t packet_no);
  // The newest number accepted; 0 before the first.
  uint64_t newest() const { return newest_; }

 private:
  static constexpr uint64_t kWordBits = 64;
  // One word more than the window: the word being overwritten is never one still in use.
  static constexpr uint64_t kWords = wire::kReplayWindowPackets / kWordBits + 1;
  std::array<uint64_t, kWords> ring_{};
  uint64_t newest_ = 0;
};

}  // namespace p2p::session
