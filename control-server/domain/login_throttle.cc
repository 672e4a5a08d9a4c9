#include "control-server/domain/login_throttle.h"

#include <algorithm>

namespace p2p::server {
namespace {

constexpr Duration kUndecidedPause = 1s;  // By then one of those under way is decided.

Duration PauseAfter(uint32_t failures) {
  Duration pause = kFirstLoginPause;
  for (uint32_t n = kFreeLoginFailures; n < failures && pause < kLongestLoginPause; ++n) pause *= 2;
  return std::min(pause, kLongestLoginPause);
}

}  // namespace

Duration LoginThrottle::Wait(absl::string_view name, MonoTime now) const {
  const auto it = entries_.find(name);
  if (it == entries_.end() || it->second.kept_until <= now) return Duration::zero();
  const Entry& entry = it->second;
  if (now < entry.paused_until) return entry.paused_until - now;
  const bool crowded =
      entry.under_way > 0 && entry.failures + entry.under_way >= kFreeLoginFailures;
  return crowded ? kUndecidedPause : Duration::zero();
}

void LoginThrottle::Begin(absl::string_view name, MonoTime now) {
  auto it = entries_.find(name);
  if (it != entries_.end() && it->second.kept_until <= now) {
    Erase(it);
    it = entries_.end();
  }
  if (it == entries_.end()) {
    MakePlace(now);
    it = entries_.emplace(std::string(name), Entry{}).first;
  }
  ++it->second.under_way;
  Keep(it, now + kLoginFailuresKept);
}

void LoginThrottle::Failed(absl::string_view name, MonoTime now) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;  // It had to make place.
  Entry& entry = it->second;
  if (entry.under_way > 0) --entry.under_way;
  ++entry.failures;
  if (entry.failures >= kFreeLoginFailures) entry.paused_until = now + PauseAfter(entry.failures);
  Keep(it, now + kLoginFailuresKept);
}

void LoginThrottle::Succeeded(absl::string_view name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  it->second.failures = 0;
  it->second.paused_until = {};
  Undecided(name);
}

void LoginThrottle::Undecided(absl::string_view name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  if (it->second.under_way > 0) --it->second.under_way;
  if (it->second.under_way == 0 && it->second.failures == 0) Erase(it);
}

void LoginThrottle::Keep(Entries::iterator it, MonoTime until) {
  by_time_.erase({it->second.kept_until, it->first});
  it->second.kept_until = until;
  by_time_.emplace(until, it->first);
}

void LoginThrottle::Erase(Entries::iterator it) {
  by_time_.erase({it->second.kept_until, it->first});
  entries_.erase(it);
}

void LoginThrottle::MakePlace(MonoTime now) {
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    Erase(entries_.find(by_time_.begin()->second));
  }
  if (entries_.size() < capacity_) return;
  Erase(entries_.find(by_time_.begin()->second));
  ++evicted_;
}

}  // namespace p2p::server
