#include "control-server/store/sqlite_ledger.h"

namespace p2p::server {

absl::Status SqliteLedger::PutDue(const std::vector<DeliveryRecord>& rows) {
  return db_.Atomically([&]() -> absl::Status {
    for (const DeliveryRecord& row : rows) {
      // The SELECT leaves out rows whose broadcast or account is gone.
      Query(db_,
            "INSERT OR IGNORE INTO ledger (broadcast, user, due_ms, via, delivered_ms) "
            "SELECT b.id, a.id, ?, ?, ? FROM broadcasts b, accounts a WHERE b.id = ? AND a.id = ?")
          .Time(row.due_at)
          .Int(static_cast<int64_t>(row.via))
          .Time(row.delivered_at)
          .Blob(row.broadcast.view())
          .Blob(row.user.view())
          .Run();
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteLedger::MarkDelivered(BroadcastId broadcast, UserId user, DeliveryVia via,
                                         WallTime at) {
  if (via == DeliveryVia::kNone) return absl::InvalidArgumentError("delivered by nothing");
  return db_.Atomically([&]() -> absl::Status {
    Query update(db_,
                 "UPDATE ledger SET via = ?, delivered_ms = ? "
                 "WHERE broadcast = ? AND user = ? AND via = 0");
    update.Int(static_cast<int64_t>(via)).Time(at);
    update.Blob(broadcast.view()).Blob(user.view()).Run();
    if (update.Changes() > 0) return absl::OkStatus();
    Query exists(db_, "SELECT 1 FROM ledger WHERE broadcast = ? AND user = ?");
    exists.Blob(broadcast.view()).Blob(user.view());
    return exists.Next() ? absl::OkStatus() : absl::NotFoundError("not due");
  });
}

absl::StatusOr<std::vector<DeliveryRecord>> SqliteLedger::List(BroadcastId broadcast) {
  std::vector<DeliveryRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT user, due_ms, via, delivered_ms FROM ledger WHERE broadcast = ? "
                "ORDER BY user");
    query.Blob(broadcast.view());
    while (query.Next()) {
      DeliveryRecord row;
      row.broadcast = broadcast;
      row.user = query.GetId<UserId>(0);
      row.due_at = query.GetTime(1);
      row.via = static_cast<DeliveryVia>(query.GetInt(2));
      row.delivered_at = query.GetTime(3);
      out.push_back(row);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<DeliveryCounts> SqliteLedger::Count(BroadcastId broadcast) {
  DeliveryCounts counts;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, "SELECT count(*), total(via <> 0) FROM ledger WHERE broadcast = ?");
    query.Blob(broadcast.view());
    if (!query.Next()) return absl::InternalError("store: no count");
    counts = {static_cast<size_t>(query.GetInt(0)), static_cast<size_t>(query.GetInt(1))};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return counts;
}

}  // namespace p2p::server
