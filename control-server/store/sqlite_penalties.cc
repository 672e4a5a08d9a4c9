#include "control-server/store/sqlite_penalties.h"

namespace p2p::server {

absl::Status SqlitePenalties::Put(const PenaltyRecord& penalty) {
  return db_.Atomically([&]() -> absl::Status {
    Query put(db_,
              "INSERT OR REPLACE INTO penalties (account, offence, start_ms, end_ms, level, "
              "strike1_ms, strike2_ms, strike3_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    put.Blob(penalty.account.view()).Int(static_cast<int64_t>(penalty.offence));
    put.Time(penalty.start).Time(penalty.end).Int(penalty.level);
    for (const WallTime strike : penalty.strikes) put.Time(strike);
    put.Run();
    return absl::OkStatus();
  });
}

absl::Status SqlitePenalties::Delete(UserId account) {
  return db_.Atomically([&]() -> absl::Status {
    Query remove(db_, "DELETE FROM penalties WHERE account = ?");
    remove.Blob(account.view()).Run();
    return remove.Changes() == 0 ? absl::NotFoundError("no penalty") : absl::OkStatus();
  });
}

absl::StatusOr<std::vector<PenaltyRecord>> SqlitePenalties::List() {
  std::vector<PenaltyRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT account, offence, start_ms, end_ms, level, strike1_ms, strike2_ms, "
                "strike3_ms FROM penalties ORDER BY account");
    while (query.Next()) {
      PenaltyRecord record;
      record.account = query.GetId<UserId>(0);
      record.offence = static_cast<Offence>(query.GetInt(1));
      record.start = query.GetTime(2);
      record.end = query.GetTime(3);
      record.level = static_cast<int>(query.GetInt(4));
      for (size_t i = 0; i < record.strikes.size(); ++i) {
        record.strikes[i] = query.GetTime(5 + static_cast<int>(i));
      }
      out.push_back(record);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace p2p::server
