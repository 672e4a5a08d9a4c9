// Where time enters the program. Owned by main(), read by the rim (loops, sockets), never by pure
// folders.
#pragma once

#include <atomic>

#include "common/base/time.h"

namespace p2p {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Mono() const = 0;
  virtual WallTime Wall() const = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  MonoTime Mono() const override;
  WallTime Wall() const override;
};

// Moves only when told. For tests.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime wall = WallFromMs(1'700'000'000'000)) : wall_ms_(ToMs(wall)) {}
  MonoTime Mono() const override { return MonoTime(Duration(mono_ns_.load())); }
  WallTime Wall() const override { return WallFromMs(wall_ms_.load()); }
  // Moves both clocks.
  void Advance(Duration d) {
    mono_ns_ += d.count();
    wall_ms_ += std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  }
  // Moves the wall clock only, as an operator or NTP would.
  void SetWall(WallTime t) { wall_ms_ = ToMs(t); }

 private:
  std::atomic<int64_t> mono_ns_{1'000'000'000};
  std::atomic<int64_t> wall_ms_;
};

}  // namespace p2p
