#include "common/session/replay_window.h"

#include <algorithm>

namespace p2p::session {

bool ReplayWindow::Accept(uint64_t packet_no) {
  const uint64_t word = packet_no / kWordBits;
  if (packet_no > newest_) {
    // Clear the words between, at most one turn of the ring.
    const uint64_t current = newest_ / kWordBits;
    const uint64_t steps = std::min(word - current, kWords);
    for (uint64_t i = 1; i <= steps; ++i) ring_[(current + i) % kWords] = 0;
    newest_ = packet_no;
  } else if (newest_ - packet_no >= wire::kReplayWindowPackets) {
    return false;
  }
  uint64_t& bits = ring_[word % kWords];
  const uint64_t bit = uint64_t{1} << (packet_no % kWordBits);
  if ((bits & bit) != 0) return false;
  bits |= bit;
  return true;
}

}  // namespace p2p::session
