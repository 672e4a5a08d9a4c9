// Points in time and durations, as logic sees them: passed in by the caller, never fetched. Neither
// tag has a now(), so a pure class cannot read a clock even by mistake.
#pragma once

#include <chrono>
#include <cstdint>

namespace p2p {

using Duration = std::chrono::nanoseconds;

struct MonoTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
};
struct WallTag {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
};

// Monotonic: timers and ages. Its zero means nothing.
using MonoTime = std::chrono::time_point<MonoTag, Duration>;
// Wall clock, milliseconds since 1970-01-01 UTC: display and restarts only.
using WallTime = std::chrono::time_point<WallTag, std::chrono::milliseconds>;

constexpr WallTime WallFromMs(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }
constexpr int64_t ToMs(WallTime t) { return t.time_since_epoch().count(); }

using namespace std::chrono_literals;  // 30s, 250ms: the project's only using-directive in a
                                       // header.

}  // namespace p2p
