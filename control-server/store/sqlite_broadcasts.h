// Broadcasts in SQLite. Contract: store.h.
#pragma once

#include <optional>
#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqliteBroadcasts {
 public:
  explicit SqliteBroadcasts(SqliteDb& db) : db_(db) {}
  absl::Status Put(const BroadcastRecord& broadcast);
  absl::StatusOr<BroadcastRecord> FindByKey(UserId sender, absl::string_view idempotency_key);
  absl::StatusOr<BroadcastRecord> Get(BroadcastId id);
  absl::StatusOr<std::vector<BroadcastRecord>> ListLive(WallTime now);
  absl::StatusOr<std::vector<BroadcastRecord>> List(std::optional<UserId> sender,
                                                    WallTime sent_since, size_t limit);
  absl::Status Revoke(BroadcastId id);
  absl::Status Purge(WallTime now, WallTime details_before);

 private:
  SqliteDb& db_;
};

}  // namespace p2p::server
