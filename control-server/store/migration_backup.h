// The copy of a database that is made before it is brought to a newer version, so that an operator
// can go back to the program before.
#pragma once

#include <string>

#include "SQLiteCpp/SQLiteCpp.h"
#include "absl/status/status.h"

namespace p2p::server {

// "server.db.v1" for version 1 of "server.db".
std::string MigrationBackupPath(const std::string& database, int version);

// Copies `db`, whose schema has that version, to its backup path (0600, durable, an older copy is
// replaced). Broadcasts are left out: their texts must not outlive them. Throws SQLite::Exception;
// other failures are returned.
absl::Status BackUpBeforeMigration(SQLite::Database& db, int version);

}  // namespace p2p::server
