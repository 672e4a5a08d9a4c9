// When to try the server again. Two schedules: for a client that was not served, and for one whose
// channel broke. Pure: time and randomness come in.
#pragma once

#include <functional>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/config/timing.h"

namespace p2p::client {

struct NextTry {
  MonoTime at;
  int attempt = 0;  // 1 for the first retry.
  int of = 0;       // 0: without end.
};

// Refused, full or unreachable without a session: about 5, 20, 60, 150 and 300 s after the first
// failure, each +-40 %, and once between 480 and 590 s, so that at least five retries fall into ten
// minutes; then every 10 min, each -20 % at most.
class NotServedSchedule {
 public:
  explicit NotServedSchedule(const config::Timing& timing) : timing_(timing) {}
  void Reset() { *this = NotServedSchedule(timing_.get()); }
  NextTry After(MonoTime failure, Random& random);

 private:
  void Plan(MonoTime first_failure, Random& random);
  std::reference_wrapper<const config::Timing> timing_;
  std::vector<MonoTime> planned_;
  int attempt_ = 0;
};

// A channel broke: first U(0, W), W given by the server at attach so that a restarted server is not
// overrun; then full-jitter back-off up to 1, 2, 4 ... 30 s, without end.
class LostSchedule {
 public:
  explicit LostSchedule(const config::Timing& timing) : timing_(timing) {}
  void Reset() { attempt_ = 0; }
  NextTry After(MonoTime failure, Duration window, Random& random);

 private:
  const config::Timing& timing_;
  int attempt_ = 0;
};

}  // namespace p2p::client
