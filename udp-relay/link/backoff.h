// When to try the server again. Pure.
#pragma once

#include <algorithm>

#include "common/base/random.h"
#include "common/base/time.h"

namespace p2p::relay {

// Half to whole of `first`, twice that, and so on up to `max`, without end: one relay is no herd,
// but two that wait for the same server should not meet for ever.
class Backoff {
 public:
  Backoff(Duration first, Duration max) : first_(first), max_(max) {}
  void Reset() { next_ = Duration::zero(); }
  Duration Next(Random& random) {
    next_ = next_ == Duration::zero() ? std::min(first_, max_) : std::min(next_ * 2, max_);
    const double part = 0.5 + random.Unit() / 2;
    return Duration(static_cast<int64_t>(static_cast<double>(next_.count()) * part));
  }

 private:
  const Duration first_;
  const Duration max_;
  Duration next_ = Duration::zero();
};

}  // namespace p2p::relay
