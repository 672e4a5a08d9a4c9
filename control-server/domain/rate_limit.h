// How often something may be done: token buckets, one for each key in a bounded table. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/net/address.h"

namespace p2p::server {

// `burst` at once after a rest, then one more every `every`.
struct Rate {
  uint32_t burst = 1;
  Duration every = 1s;
};

// The keys of [limits] in a configuration file.
struct RateOptions {
  Rate signup_source{.burst = 100, .every = 12s};    // Sign-ups of one source (/32 or /64).
  Rate signup_total{.burst = 500, .every = 1200ms};  // And of all together.
  Rate calls{.burst = 100, .every = 50ms};           // Authenticated calls of one account.
};

// A bucket is one point in time: when it is full again. Each take moves that by `every`; a bucket
// that is full need not be remembered. When the table is full nevertheless, the bucket that is
// nearest to full goes: its owner gains least by being forgotten.
template <class Key>
class RateTable {
 public:
  RateTable(Rate rate, size_t capacity) : rate_(rate), capacity_(capacity) {}

  // Until one can be taken; zero: now.
  Duration Wait(const Key& key, MonoTime now) const {
    const auto it = full_at_.find(key);
    if (it == full_at_.end()) return Duration::zero();
    const Duration saved = rate_.every * (rate_.burst - 1);
    return std::max(it->second - saved - now, Duration::zero());
  }

  // Only after Wait was zero.
  void Take(const Key& key, MonoTime now) {
    while (!by_time_.empty() && by_time_.begin()->first <= now) Forget(by_time_.begin());
    auto it = full_at_.find(key);
    if (it == full_at_.end()) {
      if (full_at_.size() >= capacity_) {
        Forget(by_time_.begin());
        ++evicted_;
      }
      it = full_at_.emplace(key, now).first;
    } else {
      by_time_.erase({it->second, key});
    }
    it->second += rate_.every;
    by_time_.insert({it->second, key});
  }

  size_t size() const { return full_at_.size(); }
  uint64_t evicted() const { return evicted_; }

 private:
  using ByTime = std::set<std::pair<MonoTime, Key>>;
  void Forget(typename ByTime::iterator it) {
    full_at_.erase(it->second);
    by_time_.erase(it);
  }

  const Rate rate_;
  const size_t capacity_;
  absl::flat_hash_map<Key, MonoTime> full_at_;
  ByTime by_time_;
  uint64_t evicted_ = 0;
};

// Both limits on sign-ups. A refused one takes from neither.
class SignupLimit {
 public:
  enum class Verdict { kGo, kSourceWaits, kAllWait };
  struct Answer {
    Verdict verdict = Verdict::kGo;
    Duration wait{};
  };

  explicit SignupLimit(const RateOptions& rates)
      : sources_(rates.signup_source, kMaxSources), total_(rates.signup_total, 1) {}

  // Loopback is the operator's own machine: it counts in the total only.
  Answer Take(const net::IpAddress& address, MonoTime now);
  uint64_t evicted() const { return sources_.evicted(); }

 private:
  // More than the total lets through before a source is full again, by default.
  static constexpr size_t kMaxSources = 4096;
  RateTable<net::IpAddress> sources_;
  RateTable<int> total_;
};

}  // namespace p2p::server
