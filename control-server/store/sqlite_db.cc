#include "control-server/store/sqlite_db.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/fd.h"
#include "common/net/file.h"
#include "control-server/store/migration_backup.h"
#include "control-server/store/migrations.h"

namespace p2p::server {
namespace {

// Another process may hold the lock for a moment (a backup, a check); longer than this is an error.
// How long opening waits for another process's lock, and how long a transaction does: everybody
// else's waits behind it.
constexpr int kOpenPatienceMs = 5000;
constexpr int kLockPatienceMs = 50;
// How long emptying the log waits for another process's read; the next purge tries again.
constexpr int kReaderPatienceMs = 100;

bool IsStoreFailure(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ||
         absl::IsDataLoss(status) || absl::IsInternal(status);
}

// SQLite would create it with the modes of the umask; log and index files copy the database's.
absl::Status CreatePrivately(const std::string& path) {
  const net::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return net::ErrnoError(absl::StrCat("opening ", path), errno);
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return net::SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteDb>> SqliteDb::Open(const std::string& path,
                                                         const std::string& vfs) {
  P2P_RETURN_IF_ERROR(CreatePrivately(path));
  std::unique_ptr<SqliteDb> out;
  try {
    out.reset(new SqliteDb(std::make_unique<SQLite::Database>(
        path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kOpenPatienceMs, vfs)));
  } catch (const SQLite::Exception& error) {
    return absl::UnavailableError(absl::StrCat("opening ", path, ": ", error.what()));
  }
  const auto prepared = [&]() -> absl::Status {
    P2P_RETURN_IF_ERROR(out->Configure());
    P2P_RETURN_IF_ERROR(out->CheckIntegrity());
    P2P_RETURN_IF_ERROR(out->Migrate());
    out->db_->setBusyTimeout(kLockPatienceMs);
    return absl::OkStatus();
  }();
  if (!prepared.ok()) {
    return absl::Status(prepared.code(), absl::StrCat(path, ": ", prepared.message()));
  }
  return out;
}

absl::Status SqliteDb::Configure() {
  return Guarded([&]() -> absl::Status {
    db_->exec("PRAGMA journal_mode = WAL");
    db_->exec("PRAGMA synchronous = FULL");
    db_->exec("PRAGMA foreign_keys = ON");
    db_->exec("PRAGMA secure_delete = ON");
    db_->exec("PRAGMA temp_store = MEMORY");
    db_->exec("PRAGMA trusted_schema = OFF");
    // Durability and privacy rest on these four: believe what the library says, not what was asked.
    if (db_->execAndGet("PRAGMA journal_mode").getString() != "wal") {
      return absl::UnavailableError("the file system does not support a write-ahead log");
    }
    P2P_CHECK(db_->execAndGet("PRAGMA synchronous").getInt() == 2);
    P2P_CHECK(db_->execAndGet("PRAGMA foreign_keys").getInt() == 1);
    P2P_CHECK(db_->execAndGet("PRAGMA secure_delete").getInt() == 1);
    return absl::OkStatus();
  });
}

absl::Status SqliteDb::CheckIntegrity() {
  return Guarded([&]() -> absl::Status {
    const std::string first = db_->execAndGet("PRAGMA integrity_check(1)").getString();
    if (first != "ok") return absl::DataLossError(absl::StrCat("damaged: ", first));
    return absl::OkStatus();
  });
}

absl::Status SqliteDb::Migrate() {
  int version = 0;
  P2P_RETURN_IF_ERROR(Guarded([&]() -> absl::Status {
    version = db_->execAndGet("PRAGMA user_version").getInt();
    return absl::OkStatus();
  }));
  const auto migrations = Migrations();
  if (version < 0 || static_cast<size_t>(version) > migrations.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("schema version ", version, " is newer than this program's ",
                     migrations.size(), "; use the program that wrote it"));
  }
  if (version > 0 && static_cast<size_t>(version) < migrations.size()) {
    P2P_RETURN_IF_ERROR(Guarded([&] { return BackUpBeforeMigration(*db_, version); }));
  }
  for (size_t i = static_cast<size_t>(version); i < migrations.size(); ++i) {
    P2P_RETURN_IF_ERROR(Transaction([&]() -> absl::Status {
      db_->exec(migrations[i]);
      db_->exec(absl::StrCat("PRAGMA user_version = ", i + 1));
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::Status SqliteDb::ToStatus(const SQLite::Exception& error) const {
  const std::string text = absl::StrCat("store: ", error.what());
  const int extended = error.getExtendedErrorCode();
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::AlreadyExistsError(text);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return absl::NotFoundError(text);
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
      return absl::UnavailableError(text);  // Whatever the reason: never to be tried again.
  }
  switch (extended & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::ResourceExhaustedError(text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
    case SQLITE_ERROR:
      return absl::InternalError(text);
  }
  const int system_error = sqlite3_system_errno(db_->getHandle());
  if (system_error == ENOSPC || system_error == EDQUOT) {
    return absl::ResourceExhaustedError(text);
  }
  return absl::UnavailableError(text);
}

absl::Status SqliteDb::Guarded(absl::FunctionRef<absl::Status()> work) {
  absl::Status status;
  try {
    status = work();
  } catch (const SQLite::Exception& error) {
    status = ToStatus(error);
  }
  if (in_group_ && broken_.ok() && IsStoreFailure(status)) broken_ = status;
  return status;
}

absl::Status SqliteDb::Reading(absl::FunctionRef<absl::Status()> work) {
  if (!broken_.ok()) return broken_;
  return Guarded(work);
}

absl::Status SqliteDb::Atomically(absl::FunctionRef<absl::Status()> work) {
  if (!in_group_) {
    P2P_RETURN_IF_ERROR(Transaction(work));
    if (!std::exchange(empty_log_after_commit_, false)) return absl::OkStatus();
    return TruncateLog();
  }
  return Savepoint("method", work);
}

absl::Status SqliteDb::Savepoint(const char* name, absl::FunctionRef<absl::Status()> work) {
  // After a failure SQLite may have left the transaction: nothing must run outside of it.
  if (!broken_.ok()) return broken_;
  return Guarded([&]() -> absl::Status {
    db_->exec(absl::StrCat("SAVEPOINT ", name));
    absl::Status status = Guarded(work);
    if (!broken_.ok()) return status;  // The whole group goes.
    if (!status.ok()) db_->exec(absl::StrCat("ROLLBACK TO ", name));
    db_->exec(absl::StrCat("RELEASE ", name));
    return status;
  });
}

absl::Status SqliteDb::Transaction(absl::FunctionRef<absl::Status()> work) {
  absl::Status status = Guarded([&]() -> absl::Status {
    db_->exec("BEGIN IMMEDIATE");
    P2P_RETURN_IF_ERROR(Guarded(work));
    if (!broken_.ok()) return broken_;
    db_->exec("COMMIT");
    return absl::OkStatus();
  });
  if (!status.ok() && sqlite3_get_autocommit(db_->getHandle()) == 0) {
    db_->tryExec("ROLLBACK");
  }
  return status;
}

absl::Status SqliteDb::Group(absl::FunctionRef<absl::Status()> work) {
  P2P_CHECK(!in_group_);
  in_group_ = true;
  broken_ = absl::OkStatus();
  const absl::Status status = Transaction(work);
  in_group_ = false;
  broken_ = absl::OkStatus();
  const bool empty_log = std::exchange(empty_log_after_commit_, false);
  P2P_RETURN_IF_ERROR(status);
  if (!empty_log) return absl::OkStatus();
  const absl::Status emptied = TruncateLog();
  // The group is committed, so a reader in the way is no error of the group.
  return absl::IsResourceExhausted(emptied) ? absl::OkStatus() : emptied;
}

absl::Status SqliteDb::Step(absl::FunctionRef<absl::Status()> work) {
  P2P_CHECK(in_group_ && !in_step_);
  in_step_ = true;
  absl::Status status = Savepoint("step", work);
  in_step_ = false;
  return status;
}

absl::Status SqliteDb::EmptyLog() {
  log_waits_ = true;
  if (sqlite3_get_autocommit(db_->getHandle()) == 0) {
    empty_log_after_commit_ = true;
    return absl::OkStatus();
  }
  return TruncateLog();
}

absl::Status SqliteDb::TruncateLog() {
  return Guarded([&]() -> absl::Status {
    db_->setBusyTimeout(kReaderPatienceMs);
    SQLite::Statement checkpoint(*db_, "PRAGMA wal_checkpoint(TRUNCATE)");
    const bool blocked = !checkpoint.executeStep() || checkpoint.getColumn(0).getInt() != 0;
    db_->setBusyTimeout(kLockPatienceMs);
    if (blocked) return absl::ResourceExhaustedError("store: another process is reading the log");
    log_waits_ = false;
    return absl::OkStatus();
  });
}

SQLite::Statement& SqliteDb::Prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (statement == nullptr) statement = std::make_unique<SQLite::Statement>(*db_, sql);
  return *statement;
}

// ---- Query --------------------------------------------------------------------------------------

Query::~Query() {
  (void)statement_.tryReset();  // Repeats the error of the last step, which was reported then.
  // Parameters may hold text and hashes: they do not stay in the cache. (Does not throw in
  // practice: SQLite's function always succeeds.)
  statement_.clearBindings();
}

Query& Query::Int(int64_t value) {
  statement_.bind(next_parameter_++, value);
  return *this;
}

Query& Query::Text(absl::string_view value) {
  statement_.bind(next_parameter_++, std::string(value));
  return *this;
}

Query& Query::Blob(ByteView value) {
  // A null pointer would bind NULL instead of an empty blob.
  const void* data = value.empty() ? static_cast<const void*>("") : value.data();
  statement_.bind(next_parameter_++, data, static_cast<int>(value.size()));
  return *this;
}

void Query::Run() { statement_.exec(); }

int Query::Changes() { return statement_.getChanges(); }

ByteView Query::GetBlob(int column) {
  const auto value = statement_.getColumn(column);
  return {static_cast<const uint8_t*>(value.getBlob()), static_cast<size_t>(value.getBytes())};
}

}  // namespace p2p::server
