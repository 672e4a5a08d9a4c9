// How often somebody may guess an account's password. Pure. Only log-ins are held up: sessions that
// live are not touched, and a right password forgets all failures.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/base/time.h"

namespace p2p::server {

inline constexpr uint32_t kFreeLoginFailures = 10;     // Held up from this failure on,
inline constexpr Duration kFirstLoginPause = 30s;      // for so long,
inline constexpr Duration kLongestLoginPause = 15min;  // twice as long after each further one.
inline constexpr Duration kLoginFailuresKept = 30min;  // After the last one.
inline constexpr size_t kMaxThrottledNames = 20'000;   // The one forgotten soonest makes place.

// Keys are folded names, whether or not there is such an account: the answers tell nobody which.
class LoginThrottle {
 public:
  explicit LoginThrottle(size_t capacity = kMaxThrottledNames) : capacity_(capacity) {}

  // Zero: the password may be looked at. Otherwise how long to wait. Guesses that are not decided
  // yet count: no more of them run at once than may fail.
  Duration Wait(absl::string_view name, MonoTime now) const;
  // After Wait was zero. Exactly one of the next three follows.
  void Begin(absl::string_view name, MonoTime now);
  void Failed(absl::string_view name, MonoTime now);
  void Succeeded(absl::string_view name);
  void Undecided(absl::string_view name);  // The password was not looked at.

  size_t size() const { return entries_.size(); }
  uint64_t evicted() const { return evicted_; }

 private:
  struct Entry {
    uint32_t failures = 0;
    uint32_t under_way = 0;
    MonoTime paused_until{};
    MonoTime kept_until{};
  };
  using Entries = absl::flat_hash_map<std::string, Entry>;
  void Keep(Entries::iterator it, MonoTime until);
  void Erase(Entries::iterator it);
  void MakePlace(MonoTime now);

  const size_t capacity_;
  Entries entries_;
  std::set<std::pair<MonoTime, std::string>> by_time_;  // kept_until of every entry.
  uint64_t evicted_ = 0;
};

}  // namespace p2p::server
