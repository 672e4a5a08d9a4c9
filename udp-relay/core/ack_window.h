// Over how long clients are asked to spread their acknowledgements, so that those of a large
// fan-out do not overflow the receive buffer: as long as a relay needs to take them in.
#pragma once

#include <algorithm>
#include <cstddef>

#include "common/base/time.h"

namespace p2p::relay {

// Fragments on their way in all sessions together. One thread.
class AckWindow {
 public:
  static constexpr int64_t kAcksPerSecond = 100'000;
  static constexpr Duration kMax = 1000ms;  // What clients heed at most.
  static constexpr Duration kMin = 10ms;    // Less is not worth asking for.

  // A session that counted for `counted` fragments counts for `now`.
  void Recount(size_t& counted, size_t now) {
    total_ += now - counted;
    counted = now;
  }
  size_t total() const { return total_; }
  // In whole milliseconds, as it is told; 0: at once.
  Duration window() const {
    const auto ms = static_cast<int64_t>(total_) * 1000 / kAcksPerSecond;
    const Duration window = std::chrono::milliseconds(ms);
    return window < kMin ? Duration(0) : std::min(window, kMax);
  }
  // Is `wanted` so far from what a client was told that it is worth telling?
  static bool WorthTelling(Duration told, Duration wanted) {
    return told != wanted && (told == Duration(0) || wanted > told * 3 / 2 || wanted < told / 2);
  }

 private:
  size_t total_ = 0;
};

}  // namespace p2p::relay
