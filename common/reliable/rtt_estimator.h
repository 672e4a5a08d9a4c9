// Smoothed round trip and the probe timeout made from it (RFC 9002, without its back-off at first).
#pragma once

#include <optional>

#include "common/base/time.h"

namespace p2p::reliable {

struct PtoLimits {
  Duration initial = 250ms;  // Before the first sample.
  Duration min = 100ms;
  Duration max = 2s;
};

class RttEstimator {
 public:
  // Tries sent at the plain PTO before it grows: random loss is not congestion, and growing at once
  // would give away what UDP gains over TCP. The pacer and the egress cap guard the network.
  static constexpr int kFlatTries = 8;

  explicit RttEstimator(PtoLimits limits) : limits_(limits) {}
  // `rtt` has the peer's reported delay taken off already.
  void OnSample(Duration rtt, Duration ack_delay);
  // How long to wait for an answer to try number `tries` (1 = first).
  Duration Pto(int tries) const;
  std::optional<Duration> smoothed() const { return srtt_; }
  void Reset() { *this = RttEstimator(limits_); }  // The path changed.

 private:
  PtoLimits limits_;
  std::optional<Duration> srtt_;
  Duration var_{0};
  Duration ack_delay_{0};
};

}  // namespace p2p::reliable
