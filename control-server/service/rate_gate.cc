#include "control-server/service/rate_gate.h"

#include "control-server/domain/names.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

// More accounts than connections: each of them can have called in the last seconds.
constexpr size_t kMaxAccounts = 32'768;

}  // namespace

RateGate::RateGate(const RateOptions& rates, const Clock& clock)
    : clock_(clock), signups_(rates), calls_(rates.calls, kMaxAccounts) {}

absl::Status RateGate::Signup(const net::IpAddress& source) {
  const MonoTime now = clock_.Mono();
  SignupLimit::Answer answer;
  {
    const MutexLock lock(mu_);
    answer = signups_.Take(source, now);
  }
  switch (answer.verdict) {
    case SignupLimit::Verdict::kGo:
      return absl::OkStatus();
    case SignupLimit::Verdict::kSourceWaits:
      counters_.Add(RateCount::kSignupsOfSource);
      return RetryLaterError("too many sign-ups from your address", answer.wait);
    case SignupLimit::Verdict::kAllWait:
      counters_.Add(RateCount::kSignupsOfAll);
      return RetryLaterError("too many sign-ups at the moment", answer.wait);
  }
  return absl::InternalError("unknown verdict");
}

absl::Status RateGate::Call(UserId user) {
  const MonoTime now = clock_.Mono();
  Duration wait{};
  {
    const MutexLock lock(mu_);
    wait = calls_.Wait(user, now);
    if (wait == Duration::zero()) calls_.Take(user, now);
  }
  if (wait == Duration::zero()) return absl::OkStatus();
  counters_.Add(RateCount::kCalls);
  return RetryLaterError("too many calls in a short time", wait);
}

absl::Status RateGate::Login(absl::string_view username) {
  const std::string name = FoldUsername(username);
  const MonoTime now = clock_.Mono();
  Duration wait{};
  {
    const MutexLock lock(mu_);
    wait = logins_.Wait(name, now);
    if (wait == Duration::zero()) logins_.Begin(name, now);
  }
  if (wait == Duration::zero()) return absl::OkStatus();
  counters_.Add(RateCount::kLogins);
  return RetryLaterError("too many log-ins with a wrong password for this account", wait);
}

void RateGate::LoginEnded(absl::string_view username, LoginEnd end) {
  const std::string name = FoldUsername(username);
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  switch (end) {
    case LoginEnd::kRight:
      return logins_.Succeeded(name);
    case LoginEnd::kWrong:
      return logins_.Failed(name, now);
    case LoginEnd::kUndecided:
      return logins_.Undecided(name);
  }
}

}  // namespace p2p::server
