// A rate with a burst, in any unit.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/time.h"

namespace p2p::reliable {

class TokenBucket {
 public:
  // `rate` tokens a second, at most `burst` saved up; starts full.
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  bool Take(double n, MonoTime now) {
    Refill(now);
    if (tokens_ < n) return false;
    tokens_ -= n;
    return true;
  }
  // Would Take(n) succeed?
  bool Has(double n, MonoTime now) {
    Refill(now);
    return tokens_ >= n;
  }
  // Earliest time at which Take(n) succeeds, n at most the burst. `now` or later.
  MonoTime ReadyAt(double n, MonoTime now) {
    Refill(now);
    if (tokens_ >= n) return now;
    // One nanosecond more, so that rounding never wakes the caller too early.
    return now + Duration(static_cast<int64_t>((n - tokens_) / rate_ * 1e9) + 1);
  }

 private:
  void Refill(MonoTime now) {
    if (now <= last_) return;
    const double seconds = std::chrono::duration<double>(now - last_).count();
    tokens_ = std::min(burst_, tokens_ + rate_ * seconds);
    last_ = now;
  }
  double rate_;
  double burst_;
  double tokens_;
  MonoTime last_{};
};

}  // namespace p2p::reliable
