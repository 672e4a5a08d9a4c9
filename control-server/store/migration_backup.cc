#include "control-server/store/migration_backup.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/fd.h"
#include "common/net/file.h"

namespace p2p::server {
namespace {

// SQLite takes an empty file for a new database, and would else create one with the umask's modes.
absl::Status CreateEmpty(const std::string& path) {
  const net::UniqueFd fd(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  return fd.valid() ? absl::OkStatus() : net::ErrnoError(absl::StrCat("creating ", path), errno);
}

void CopyWithoutBroadcasts(SQLite::Database& db, const std::string& path) {
  SQLite::Statement vacuum(db, "VACUUM INTO ?");
  vacuum.bind(1, path);
  vacuum.exec();
  SQLite::Database copy(path, SQLite::OPEN_READWRITE);
  copy.exec("PRAGMA journal_mode = DELETE");
  copy.exec("PRAGMA synchronous = FULL");
  copy.exec("PRAGMA foreign_keys = ON");
  copy.exec("PRAGMA secure_delete = ON");
  copy.exec("DELETE FROM broadcasts");
  copy.exec("VACUUM");
}

}  // namespace

std::string MigrationBackupPath(const std::string& database, int version) {
  return absl::StrCat(database, ".v", version);
}

absl::Status BackUpBeforeMigration(SQLite::Database& db, int version) {
  const std::string path = MigrationBackupPath(db.getFilename(), version);
  const std::string unfinished = path + ".new";
  P2P_RETURN_IF_ERROR(CreateEmpty(unfinished));
  CopyWithoutBroadcasts(db, unfinished);
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return net::ErrnoError(absl::StrCat("renaming ", unfinished), errno);
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return net::SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace p2p::server
