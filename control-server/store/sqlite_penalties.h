// Penalties in SQLite. Contract: store.h.
#pragma once

#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqlitePenalties {
 public:
  explicit SqlitePenalties(SqliteDb& db) : db_(db) {}
  absl::Status Put(const PenaltyRecord& penalty);
  absl::Status Delete(UserId account);
  absl::StatusOr<std::vector<PenaltyRecord>> List();

 private:
  SqliteDb& db_;
};

}  // namespace p2p::server
