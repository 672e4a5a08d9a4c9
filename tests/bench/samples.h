// Durations that were measured, and their percentiles (nearest rank).
#pragma once

#include <algorithm>
#include <vector>

#include "common/base/time.h"

namespace p2p::bench {

class Samples {
 public:
  void Add(Duration d) { values_.push_back(d); }
  size_t size() const { return values_.size(); }
  // In milliseconds; 0 without samples. `share` in (0, 1].
  double Percentile(double share) {
    if (values_.empty()) return 0;
    const size_t rank = std::min(values_.size() - 1, static_cast<size_t>(share * values_.size()));
    std::nth_element(values_.begin(), values_.begin() + static_cast<ptrdiff_t>(rank),
                     values_.end());
    return std::chrono::duration<double, std::milli>(values_[rank]).count();
  }

 private:
  std::vector<Duration> values_;
};

}  // namespace p2p::bench
