#include "control-server/service/penalty_desk.h"

#include "common/base/log.h"

namespace p2p::server {

PenaltyBook::Penalty PenaltyDesk::Punish(const Caller& offender, Offence offence) {
  const TokenHash token = offender.token.hash;
  sessions_.Remove(token);
  store_.Submit([token](Store& s) { return s.DeleteToken(token); },
                [](const absl::Status& deleted) {
                  if (!deleted.ok()) {
                    LogWarning("token_not_deleted", {{"error", deleted.ToString()}});
                  }
                });
  MutexLock lock(mu_);
  return book_.Penalise(offender.user, offence, clock_.Wall(), clock_.Mono());
}

std::optional<PenaltyBook::Penalty> PenaltyDesk::CooldownOf(UserId user) const {
  MutexLock lock(mu_);
  return book_.CooldownOf(user, clock_.Mono());
}

void PenaltyDesk::Forget() {
  MutexLock lock(mu_);
  book_.Forget(clock_.Mono());
}

}  // namespace p2p::server
