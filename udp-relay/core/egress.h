// The cap on what a relay sends to all together, answers included.
#pragma once

#include <algorithm>

#include "common/reliable/token_bucket.h"
#include "common/wire/datagram_limits.h"

namespace p2p::relay {

// Bytes. In any time t no more leaves than rate * t + burst. Answers come first: a part of the
// burst is theirs alone, so that a fan-out that takes all the rest does not make clients believe
// that nobody is there. An answer beyond the cap is dropped; who asked asks again. One thread.
class Egress {
 public:
  // A burst of less than one datagram sends nothing.
  Egress(double bytes_per_second, double burst)
      : bucket_(bytes_per_second, burst),
        for_answers_(std::clamp(burst - wire::kMaxDatagram, 0.0, burst / 10)) {}

  // May one datagram of any size leave that answers nothing?
  bool Allows(MonoTime now) { return bucket_.Has(wire::kMaxDatagram + for_answers_, now); }
  // When it may; `now` or later.
  MonoTime ReadyAt(MonoTime now) { return bucket_.ReadyAt(wire::kMaxDatagram + for_answers_, now); }
  // What left after Allows().
  void Charge(size_t bytes, MonoTime now) { (void)bucket_.Take(static_cast<double>(bytes), now); }
  // False: the answer must not leave.
  bool TakeAnswer(size_t bytes, MonoTime now) {
    return bucket_.Take(static_cast<double>(bytes), now);
  }

 private:
  reliable::TokenBucket bucket_;
  double for_answers_;
};

}  // namespace p2p::relay
