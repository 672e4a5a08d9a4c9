// Introductions and recent addresses in SQLite. Contract: store.h.
#pragma once

#include <vector>

#include "control-server/domain/records.h"
#include "control-server/store/sqlite_db.h"

namespace p2p::server {

class SqlitePeering {
 public:
  explicit SqlitePeering(SqliteDb& db) : db_(db) {}
  absl::Status PutIntroduction(const IntroductionRecord& introduction);
  absl::Status AckIntroduction(RequestId id, UserId party);
  absl::StatusOr<std::vector<IntroductionRecord>> ListIntroductions();
  absl::Status DropIntroductionsBefore(WallTime created_before);

  absl::Status PutAddresses(const std::vector<AddressRecord>& addresses);
  absl::StatusOr<std::vector<AddressRecord>> ListAddresses(WallTime active_since);
  absl::Status DropAddressesBefore(WallTime active_before);

 private:
  SqliteDb& db_;
};

}  // namespace p2p::server
