// The machine's clocks, of which the wall clock can be set as an operator or NTP would set it.
#pragma once

#include <atomic>

#include "common/base/clock.h"
#include "common/base/time.h"

namespace p2p {

// Thread-safe.
class ShiftedClock final : public Clock {
 public:
  MonoTime Mono() const override { return machine_.Mono(); }
  WallTime Wall() const override { return WallFromMs(ToMs(machine_.Wall()) + shift_ms_.load()); }
  // By how much the wall clock is wrong from now on.
  void Shift(Duration by) {
    shift_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(by).count();
  }

 private:
  SystemClock machine_;
  std::atomic<int64_t> shift_ms_{0};
};

}  // namespace p2p
