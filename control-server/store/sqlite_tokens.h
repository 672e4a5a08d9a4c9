// Access tokens in SQLite. Contract: store.h.
#pragma once

#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqliteTokens {
 public:
  explicit SqliteTokens(SqliteDb& db) : db_(db) {}
  absl::StatusOr<std::vector<TokenHash>> Put(const TokenRecord& token, size_t max_per_account);
  absl::Status Delete(TokenHash hash);
  absl::StatusOr<std::vector<TokenHash>> DeleteOf(UserId account);
  absl::StatusOr<std::vector<TokenRecord>> List(WallTime now);

 private:
  // These throw.
  std::vector<TokenHash> HashesOf(UserId account);                   // Oldest first.
  std::vector<TokenHash> OtherSessionsOf(const TokenRecord& token);  // Of its account.
  void DropSession(TokenHash session);
  SqliteDb& db_;
};

}  // namespace p2p::server
