// The rate limits of the calls, for gRPC's threads.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/counters.h"
#include "common/base/mutex.h"
#include "control-server/domain/login_throttle.h"
#include "control-server/domain/rate_limit.h"

namespace p2p::server {

enum class LoginEnd { kRight, kWrong, kUndecided };

enum class RateCount { kSignupsOfSource, kSignupsOfAll, kCalls, kLogins, kCount };

// Thread-safe, never blocks.
class RateGate {
 public:
  // `clock` outlives the gate.
  RateGate(const RateOptions& rates, const Clock& clock);

  // OK: go on, it is counted. ResourceExhausted with RetryInfo, before anything was done, when
  // there were too many.
  absl::Status Signup(const net::IpAddress& source) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Call(UserId user) ABSL_LOCKS_EXCLUDED(mu_);
  // A log-in with a password, by the name in any case, known or not. OK: exactly one LoginEnded
  // follows.
  absl::Status Login(absl::string_view username) ABSL_LOCKS_EXCLUDED(mu_);
  void LoginEnded(absl::string_view username, LoginEnd end) ABSL_LOCKS_EXCLUDED(mu_);

  // Refused.
  const Counters<RateCount>& counters() const { return counters_; }

 private:
  const Clock& clock_;
  Counters<RateCount> counters_;
  Mutex mu_;
  SignupLimit signups_ ABSL_GUARDED_BY(mu_);
  RateTable<UserId> calls_ ABSL_GUARDED_BY(mu_);
  LoginThrottle logins_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
