#include "control-server/service/penalty_desk.h"

#include "common/base/log.h"

namespace p2p::server {

PenaltyBook::Penalty PenaltyDesk::Punish(const Caller& offender, Offence offence) {
  const TokenHash session = offender.session();
  sessions_.RemoveSession(session);
  store_.Submit([session](Store& s) { return s.DeleteSession(session); },
                [this, session](const absl::Status& deleted) {
                  sessions_.RemoveSession(session);  // A Resume under way has put it back.
                  if (!deleted.ok()) {
                    LogWarning("session_not_deleted", {{"error", deleted.ToString()}});
                  }
                });
  MutexLock lock(mu_);
  const auto penalty = book_.Penalise(offender.user, offence, clock_.Wall(), clock_.Mono());
  Save(offender.user);
  return penalty;
}

// Under the lock, so that records reach the store in the order in which they were made.
void PenaltyDesk::Save(UserId user) {
  const auto record = book_.RecordOf(user, clock_.Wall(), clock_.Mono());
  if (!record) return;
  store_.Submit([record = *record](Store& s) { return s.PutPenalty(record); },
                [](const absl::Status& put) {
                  // NotFound: the account was deleted meanwhile.
                  if (!put.ok() && !absl::IsNotFound(put)) {
                    LogWarning("penalty_not_stored", {{"error", put.ToString()}});
                  }
                });
}

void PenaltyDesk::Load(const std::vector<PenaltyRecord>& penalties) {
  MutexLock lock(mu_);
  for (const PenaltyRecord& record : penalties) {
    book_.Load(record, clock_.Wall(), clock_.Mono());
  }
}

void PenaltyDesk::Lift(UserId user) {
  MutexLock lock(mu_);
  book_.Lift(user);
}

std::optional<PenaltyBook::Penalty> PenaltyDesk::CooldownOf(UserId user) const {
  MutexLock lock(mu_);
  return book_.CooldownOf(user, clock_.Mono());
}

std::optional<StandingPenalty> PenaltyDesk::PenaltyOf(UserId user) const {
  const WallTime wall = clock_.Wall();
  std::optional<PenaltyRecord> record;
  {
    MutexLock lock(mu_);
    record = book_.RecordOf(user, wall, clock_.Mono());
  }
  if (!record) return std::nullopt;
  const size_t count = CountingStrikes(*record, window_, wall);
  if (count == 0) return std::nullopt;
  return StandingPenalty{.reason = Describe(record->offence),
                         .start = record->start,
                         .end = record->end,
                         .next_step = NextStep(record->start, record->end),
                         .count = count};
}

void PenaltyDesk::Forget() {
  MutexLock lock(mu_);
  for (const UserId& user : book_.Forget(clock_.Mono())) {
    store_.Submit([user](Store& s) { return s.DeletePenalty(user); },
                  [](const absl::Status&) {});  // Still there after a failure: forgotten again.
  }
}

}  // namespace p2p::server
