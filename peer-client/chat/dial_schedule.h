// When a refused dial is repeated: 0.1, 0.25, 0.5, 1, 2, 4, 4 … s after the one before, until
// timing.dial_total is over. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/time.h"

namespace p2p::client {

class DialSchedule {
 public:
  DialSchedule(MonoTime start, Duration total) : end_(start + total) {}
  // The time of the next attempt after one that failed at `now`, or nullopt: give up.
  std::optional<MonoTime> Next(MonoTime now) {
    static constexpr std::array<Duration, 6> kPauses = {100ms, 250ms, 500ms, 1s, 2s, 4s};
    const MonoTime at = now + kPauses[std::min(failures_++, kPauses.size() - 1)];
    return at < end_ ? std::optional(at) : std::nullopt;
  }

 private:
  MonoTime end_;
  size_t failures_ = 0;
};

}  // namespace p2p::client
