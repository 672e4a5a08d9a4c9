// A rate with a burst, in debt when overdrawn. Pure.
#pragma once

#include <algorithm>

#include "common/base/time.h"

namespace p2p::client {

class RateLimit {
 public:
  RateLimit(uint32_t per_second, uint32_t burst, MonoTime now)
      : interval_(Duration(1s) / per_second), burst_(interval_ * burst), full_at_(now) {}
  // One more event; the level may become negative.
  void Charge(MonoTime now) { full_at_ = std::max(full_at_, now) + interval_; }
  // When one more event is within the rate; not after `now`: at once.
  MonoTime AllowedAt() const { return full_at_ + interval_ - burst_; }

 private:
  Duration interval_;
  Duration burst_;
  MonoTime full_at_;  // When the bucket would be full again without another event.
};

}  // namespace p2p::client
