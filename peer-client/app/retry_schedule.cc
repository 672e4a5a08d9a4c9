#include "peer-client/app/retry_schedule.h"

#include <algorithm>

namespace p2p::client {
namespace {

constexpr double kJitter = 0.4;

Duration Scale(Duration d, double factor) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::nano>(d) * factor);
}

}  // namespace

void NotServedSchedule::Plan(MonoTime first_failure, Random& random) {
  const config::Timing& t = timing_;
  for (const Duration offset : {t.retry_1, t.retry_2, t.retry_3, t.retry_4, t.retry_5}) {
    planned_.push_back(first_failure + Scale(offset, 1 - kJitter + 2 * kJitter * random.Unit()));
  }
  planned_.push_back(first_failure + t.retry_last_min +
                     Scale(t.retry_last_max - t.retry_last_min, random.Unit()));
  // The jitter of 150 s and 300 s overlaps.
  std::sort(planned_.begin(), planned_.end());
}

NextTry NotServedSchedule::After(MonoTime failure, Random& random) {
  if (planned_.empty()) Plan(failure, random);
  const int of = static_cast<int>(planned_.size());
  ++attempt_;
  if (attempt_ <= of) {
    // A try that took longer than the gap is followed by the next at once.
    return {std::max(failure, planned_[static_cast<size_t>(attempt_ - 1)]), attempt_, of};
  }
  return {failure + Scale(timing_.get().retry_forever, 1 - 0.2 * random.Unit()), attempt_, 0};
}

NextTry LostSchedule::After(MonoTime failure, Duration window, Random& random) {
  Duration limit = window;
  if (attempt_ > 0) {
    limit = timing_.reconnect_first;
    for (int i = 1; i < attempt_ && limit < timing_.reconnect_max; ++i) limit *= 2;
    limit = std::min(limit, timing_.reconnect_max);
  }
  ++attempt_;
  return {failure + Scale(limit, random.Unit()), attempt_, 0};
}

}  // namespace p2p::client
