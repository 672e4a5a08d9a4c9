// The delivery ledger in SQLite. Contract: store.h.
#pragma once

#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqliteLedger {
 public:
  explicit SqliteLedger(SqliteDb& db) : db_(db) {}
  absl::Status PutDue(const std::vector<DeliveryRecord>& rows);
  absl::Status MarkDelivered(BroadcastId broadcast, UserId user, DeliveryVia via, WallTime at);
  absl::StatusOr<std::vector<DeliveryRecord>> List(BroadcastId broadcast);
  absl::StatusOr<DeliveryCounts> Count(BroadcastId broadcast);

 private:
  SqliteDb& db_;
};

}  // namespace p2p::server
