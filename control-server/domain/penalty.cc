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

std::string NextStep(WallTime start, WallTime end) {
  if (end <= start) return "Log in again and choose a user from the list of active clients.";
  return absl::StrCat("Wait until ", FormatRfc3339(end),
                      ", then log in again and choose a user from the list.");
}

size_t CountingStrikes(const PenaltyRecord& record, Duration window, WallTime now) {
  const auto since = now - std::chrono::ceil<std::chrono::milliseconds>(window);
  return static_cast<size_t>(
      std::count_if(record.strikes.begin(), record.strikes.end(),
                    [&](WallTime strike) { return strike != WallTime{} && strike > since; }));
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
                  .next_step = {}};
  penalty.next_step = NextStep(penalty.start, penalty.end);
  record.last = penalty;
  return penalty;
}

std::optional<PenaltyBook::Penalty> PenaltyBook::CooldownOf(UserId user, MonoTime now) const {
  const auto it = by_user_.find(user);
  if (it == by_user_.end() || it->second.last.until <= now) return std::nullopt;
  return it->second.last;
}

std::optional<PenaltyRecord> PenaltyBook::RecordOf(UserId user, WallTime wall, MonoTime now) const {
  const auto it = by_user_.find(user);
  if (it == by_user_.end() || it->second.strikes.empty()) return std::nullopt;
  const Record& known = it->second;
  PenaltyRecord out;
  out.account = user;
  out.offence = known.last.offence;
  out.start = known.last.start;
  out.end = known.last.end;
  out.level = known.level;
  for (size_t i = 0; i < known.strikes.size(); ++i) {
    out.strikes[i] = wall + std::chrono::ceil<std::chrono::milliseconds>(known.strikes[i] - now);
  }
  return out;
}

void PenaltyBook::Load(const PenaltyRecord& record, WallTime wall, MonoTime now) {
  using std::chrono::milliseconds;
  const auto oldest = -std::chrono::ceil<milliseconds>(window_);
  const auto latest = std::chrono::ceil<milliseconds>(cooldown_max_);
  // Clamped before it becomes nanoseconds: what is on the disk may be anything.
  const auto from_now = [&](WallTime t) { return std::clamp(t - wall, oldest, latest); };
  Record& known = by_user_[record.account];
  known = Record{};
  known.level = record.level;
  for (const WallTime strike : record.strikes) {
    if (strike != WallTime{}) known.strikes.push_back(now + from_now(strike));
  }
  known.last = Penalty{.offence = record.offence,
                       .start = record.start,
                       .end = std::min(record.end, wall + latest),
                       .until = now + from_now(record.end),
                       .reason = Describe(record.offence),
                       .next_step = {}};
  known.last.next_step = NextStep(known.last.start, known.last.end);
  DropOld(known, now);
}

std::vector<UserId> PenaltyBook::Forget(MonoTime now) {
  std::vector<UserId> gone;
  for (auto it = by_user_.begin(); it != by_user_.end();) {
    const auto current = it++;
    DropOld(current->second, now);
    if (!current->second.strikes.empty()) continue;
    gone.push_back(current->first);
    by_user_.erase(current);
  }
  return gone;
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
