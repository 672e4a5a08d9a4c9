#include "control-server/domain/penalty.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"

namespace p2p::server {

std::string Describe(Offence offence) {
  switch (offence) {
    case Offence::kUnknownName:
      return "invalid peer request: there is no user of that name";
    case Offence::kUnknownAddress:
      return "invalid peer request: nobody was active at that address lately";
    case Offence::kSelf:
      return "invalid peer request: the target is yourself";
    case Offence::kMalformed:
      return "invalid peer request: the target is neither a username nor an IP address";
    case Offence::kSpecialAddress:
      return "invalid peer request: no user can have that address";
  }
  return "";
}

PenaltyBook::PenaltyBook(const config::Timing& timing)
    : window_(timing.penalty_window),
      cooldown_(timing.penalty_cooldown),
      cooldown_max_(timing.penalty_cooldown_max) {}

PenaltyBook::Penalty PenaltyBook::Penalise(UserId user, Offence offence, WallTime wall,
                                           MonoTime now) {
  Record& record = by_user_[user];
  DropOld(record, now);
  Duration cooldown = Duration::zero();
  // Once there was a cool-down the next offence brings a longer one, until all is forgotten.
  if (record.level > 0 || record.strikes.size() >= kFreeStrikes) {
    cooldown = NextCooldown(record);
    ++record.level;
  }
  record.strikes.push_back(now + cooldown);
  // More than these cannot matter: the free ones are used up.
  if (record.strikes.size() > kFreeStrikes + 1) record.strikes.pop_front();

  Penalty penalty{.offence = offence,
                  .start = wall,
                  .end = wall + std::chrono::ceil<std::chrono::milliseconds>(cooldown),
                  .until = now + cooldown,
                  .reason = Describe(offence),
                  .next_step = "Log in again and choose a user from the list of active clients."};
  if (cooldown > Duration::zero()) {
    penalty.next_step = absl::StrCat("Wait until ", FormatRfc3339(penalty.end),
                                     ", then log in again and choose a user from the list.");
  }
  record.last = penalty;
  return penalty;
}

std::optional<PenaltyBook::Penalty> PenaltyBook::CooldownOf(UserId user, MonoTime now) const {
  const auto it = by_user_.find(user);
  if (it == by_user_.end() || it->second.last.until <= now) return std::nullopt;
  return it->second.last;
}

void PenaltyBook::Forget(MonoTime now) {
  for (auto it = by_user_.begin(); it != by_user_.end();) {
    const auto current = it++;
    DropOld(current->second, now);
    if (current->second.strikes.empty()) by_user_.erase(current);
  }
}

void PenaltyBook::DropOld(Record& record, MonoTime now) const {
  while (!record.strikes.empty() && record.strikes.front() + window_ <= now) {
    record.strikes.pop_front();
  }
  if (record.strikes.empty()) record.level = 0;
}

Duration PenaltyBook::NextCooldown(Record& record) const {
  Duration cooldown = std::min(cooldown_, cooldown_max_);
  for (int i = 0; i < record.level && cooldown < cooldown_max_; ++i) {
    cooldown = std::min(cooldown * 2, cooldown_max_);
  }
  return cooldown;
}

}  // namespace p2p::server
