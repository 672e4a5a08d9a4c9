// Penalties as the program runs them: who is in a cool-down, and the end of the session that
// offended.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "control-server/domain/penalty.h"
#include "control-server/service/session_table.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

// Thread-safe.
class PenaltyDesk {
 public:
  PenaltyDesk(const config::Timing& timing, const Clock& clock, SessionTable& sessions,
              StoreQueue& store)
      : clock_(clock), sessions_(sessions), store_(store), book_(timing) {}

  // The token of `offender` is dead when this returns; its connections are the caller's to close.
  PenaltyBook::Penalty Punish(const Caller& offender, Offence offence) ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<PenaltyBook::Penalty> CooldownOf(UserId user) const ABSL_LOCKS_EXCLUDED(mu_);
  void Forget() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const Clock& clock_;
  SessionTable& sessions_;
  StoreQueue& store_;
  mutable Mutex mu_;
  PenaltyBook book_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
