#include "common/base/clock.h"

namespace p2p {

MonoTime SystemClock::Mono() const {
  return MonoTime(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime SystemClock::Wall() const {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace p2p
