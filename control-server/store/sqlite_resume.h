// Resume tokens in SQLite. Contract: store.h.
#pragma once

#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqliteResume {
 public:
  explicit SqliteResume(SqliteDb& db) : db_(db) {}
  absl::StatusOr<std::vector<TokenHash>> Put(const ResumeFamily& family, TokenHash token,
                                             size_t max_per_account);
  absl::StatusOr<PresentedResume> Find(TokenHash token);
  absl::StatusOr<std::vector<ResumeFamily>> List();
  absl::Status Use(TokenHash session, uint32_t generation);
  absl::Status DeleteSession(TokenHash session);
  absl::Status DeleteOtherSessions(UserId account, TokenHash kept);
  absl::Status DropBefore(WallTime renewed_before, WallTime started_before);

 private:
  // These throw.
  void Remove(TokenHash session);
  std::vector<TokenHash> SessionsOf(UserId account);  // Longest not renewed first.
  SqliteDb& db_;
};

}  // namespace p2p::server
