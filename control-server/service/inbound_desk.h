// Checks of whether clients can be reached: who may ask how often, which challenge is whose, and
// the few threads that dial.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/random.h"
#include "control-server/domain/rate_limit.h"
#include "control-server/service/dial_back.h"
#include "control-server/service/hash_pool.h"

namespace p2p::server {

// Thread-safe; nothing but Stop blocks.
class InboundDesk {
 public:
  static constexpr Rate kChecks{.burst = 3, .every = 200s};  // Of one account: 3 in 10 minutes.
  static constexpr Duration kChallengeLife = 30s;

  // `clock` and `random` outlive it; `random` is thread-safe.
  InboundDesk(const Clock& clock, Random& random);

  // A challenge, in place of the account's last. ResourceExhausted with RetryInfo.
  absl::StatusOr<crypto::InboundChallenge> Begin(UserId user) ABSL_LOCKS_EXCLUDED(mu_);
  // FailedPrecondition: it is not the account's, or used, or too old. It is used by this.
  absl::Status Take(UserId user, const crypto::InboundChallenge& challenge)
      ABSL_LOCKS_EXCLUDED(mu_);
  // False, and `done` is never called, when too many are under way; else it is called once, on a
  // thread of the desk, with nullopt when the server ends first.
  bool Dial(const net::SocketAddress& to, const crypto::InboundChallenge& challenge,
            absl::AnyInvocable<void(std::optional<Inbound>)> done);
  // Before the calls' server ends. Breaks off the dials under way.
  void Stop();
  uint64_t dials() const { return dialled_; }

 private:
  struct Begun {
    crypto::InboundChallenge challenge{};
    MonoTime ends;
  };
  static constexpr size_t kMaxAccounts = 65'536;

  const Clock& clock_;
  Random& random_;
  Mutex mu_;
  RateTable<UserId> rate_ ABSL_GUARDED_BY(mu_);
  // At most one an account, and no more accounts than `rate_` knows: swept when it grows.
  absl::flat_hash_map<UserId, Begun> begun_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> stopped_ = false;
  std::atomic<uint64_t> dialled_ = 0;
  HashPool dials_;  // Its threads and its bounded queue serve here, too.
};

}  // namespace p2p::server
