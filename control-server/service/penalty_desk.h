// Penalties as the program runs them: who is in a cool-down, the end of the session that offended,
// and the copy in the store that survives a restart.
#pragma once

#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "control-server/domain/penalty.h"
#include "control-server/service/hub_view.h"
#include "control-server/service/session_table.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

// Thread-safe.
class PenaltyDesk {
 public:
  PenaltyDesk(const config::Timing& timing, const Clock& clock, SessionTable& sessions,
              StoreQueue& store)
      : clock_(clock),
        sessions_(sessions),
        store_(store),
        window_(timing.penalty_window),
        book_(timing) {}

  // The session of `offender`, resume tokens included, is dead when this returns; its connections
  // are the caller's to close.
  PenaltyBook::Penalty Punish(const Caller& offender, Offence offence) ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<PenaltyBook::Penalty> CooldownOf(UserId user) const ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<StandingPenalty> PenaltyOf(UserId user) const ABSL_LOCKS_EXCLUDED(mu_);
  // Penalties of before a restart. Before anybody else calls.
  void Load(const std::vector<PenaltyRecord>& penalties) ABSL_LOCKS_EXCLUDED(mu_);
  // The user may log in again at once; what is in the store is the caller's to remove.
  void Lift(UserId user) ABSL_LOCKS_EXCLUDED(mu_);
  // Drops what no longer counts, from the store too.
  void Forget() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Save(UserId user) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Clock& clock_;
  SessionTable& sessions_;
  StoreQueue& store_;
  const Duration window_;
  mutable Mutex mu_;
  PenaltyBook book_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
