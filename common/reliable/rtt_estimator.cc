#include "common/reliable/rtt_estimator.h"

#include <algorithm>

namespace p2p::reliable {

void RttEstimator::OnSample(Duration rtt, Duration ack_delay) {
  rtt = std::max(rtt, Duration(0));
  // The peer's word is bounded: it must not be able to stop retransmission.
  ack_delay_ = std::clamp(ack_delay, Duration(0), limits_.max);
  if (!srtt_) {
    srtt_ = rtt;
    var_ = rtt / 2;
    return;
  }
  const Duration error = rtt > *srtt_ ? rtt - *srtt_ : *srtt_ - rtt;
  var_ = (3 * var_ + error) / 4;
  srtt_ = (7 * *srtt_ + rtt) / 8;
}

Duration RttEstimator::Pto(int tries) const {
  Duration pto = srtt_ ? *srtt_ + 4 * var_ + ack_delay_ : limits_.initial;
  pto = std::clamp(pto, limits_.min, std::max(limits_.min, limits_.max));
  for (int i = kFlatTries; i < tries && pto < limits_.max; ++i) pto = pto * 3 / 2;
  return std::min(pto, std::max(limits_.min, limits_.max));
}

}  // namespace p2p::reliable
