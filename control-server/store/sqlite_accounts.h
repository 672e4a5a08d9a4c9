// Accounts in SQLite. Contract: store.h.
#pragma once

#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqliteAccounts {
 public:
  explicit SqliteAccounts(SqliteDb& db) : db_(db) {}
  absl::Status Create(const Account& account);
  absl::StatusOr<Account> Find(absl::string_view username);
  absl::StatusOr<Account> FindLookalike(absl::string_view skeleton);
  absl::StatusOr<Account> Get(UserId id);
  absl::Status Update(const Account& account);
  absl::Status Delete(UserId id);
  absl::StatusOr<std::vector<Account>> List();

 private:
  SqliteDb& db_;
};

}  // namespace p2p::server
