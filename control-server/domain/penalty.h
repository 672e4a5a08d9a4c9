// What makes a peer request invalid, and what that costs. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/config/timing.h"
#include "control-server/domain/records.h"

namespace p2p::server {

// One sentence for the offender; the same for every value of what was typed.
std::string Describe(Offence offence);

// What the offender can do about it.
std::string NextStep(WallTime start, WallTime end);

// How many of the penalties in `record` still count at `now`.
size_t CountingStrikes(const PenaltyRecord& record, Duration window, WallTime now);

// Whom to punish how hard. Each penalty ends the session. From the third within `penalty_window` on
// a cool-down of the account comes on top, doubling up to the maximum; a penalty is forgotten when
// `penalty_window` has passed since its cool-down ended.
class PenaltyBook {
 public:
  struct Penalty {
    Offence offence = Offence::kMalformed;
    WallTime start;
    WallTime end;  // Equal to start when there is no cool-down.
    MonoTime until;
    std::string reason;
    std::string next_step;
  };

  explicit PenaltyBook(const config::Timing& timing);

  Penalty Penalise(UserId user, Offence offence, WallTime wall, MonoTime now);
  // The penalty in whose cool-down the account is.
  std::optional<Penalty> CooldownOf(UserId user, MonoTime now) const;
  // What is to be remembered across a restart; nullopt when nothing of the user counts.
  std::optional<PenaltyRecord> RecordOf(UserId user, WallTime wall, MonoTime now) const;
  // The reverse, in another life of the process. Whatever the wall clock did meanwhile, no
  // cool-down gets longer than the maximum.
  void Load(const PenaltyRecord& record, WallTime wall, MonoTime now);
  // Forgets all penalties of the user: he may log in at once. False when there were none.
  bool Lift(UserId user) { return by_user_.erase(user) > 0; }
  // Drops what no longer counts and returns whose records are gone.
  std::vector<UserId> Forget(MonoTime now);
  size_t size() const { return by_user_.size(); }

 private:
  // Strikes before the one that brings a cool-down.
  static constexpr size_t kFreeStrikes = 2;
  struct Record {
    std::deque<MonoTime> strikes;  // When each one's penalty was over; oldest first; bounded.
    int level = 0;                 // Cool-downs given since the record was empty.
    Penalty last;
  };
  void DropOld(Record& record, MonoTime now) const;
  Duration NextCooldown(Record& record) const;

  const Duration window_;
  const Duration cooldown_;
  const Duration cooldown_max_;
  absl::flat_hash_map<UserId, Record> by_user_;
};

}  // namespace p2p::server
