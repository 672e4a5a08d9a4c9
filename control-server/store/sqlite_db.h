// One SQLite connection: opened the way the contract of the store demands, with transactions, a
// statement cache and one place where SQLite's errors become statuses. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "SQLiteCpp/SQLiteCpp.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/base/time.h"

namespace p2p::server {

class SqliteDb {
 public:
  // Opens or creates the file (0600), checks its integrity and migrates it, after a
  // copy of the older version was made (migration_backup.h). Asserts WAL,
  // synchronous = FULL, foreign keys and secure_delete. DataLoss for a damaged file,
  // FailedPrecondition for one of a newer program, Unavailable and ResourceExhausted as in store.h.
  // `vfs` names another SQLite VFS; empty for the usual one.
  static absl::StatusOr<std::unique_ptr<SqliteDb>> Open(const std::string& path,
                                                        const std::string& vfs = "");

  // Runs `work` in the transaction of the group that is open, as a part that is undone alone, or
  // else in one of its own. Exceptions of SQLite become a status here, and nowhere else.
  absl::Status Atomically(absl::FunctionRef<absl::Status()> work);
  // The same without a transaction: for work that reads.
  absl::Status Reading(absl::FunctionRef<absl::Status()> work);
  // Store::Group.
  absl::Status Group(absl::FunctionRef<absl::Status()> work);
  // Store::Step.
  absl::Status Step(absl::FunctionRef<absl::Status()> work);

  // Moves the log into the database file and empties it, so that overwritten content is in neither.
  // Done at once, or after the commit of the open group. While another process reads the log it
  // cannot be emptied: ResourceExhausted at once, nothing from the group; log_waits() is then true.
  absl::Status EmptyLog();
  bool log_waits() const { return log_waits_; }

 private:
  friend class Query;
  explicit SqliteDb(std::unique_ptr<SQLite::Database> db) : db_(std::move(db)) {}

  absl::Status Configure();
  absl::Status CheckIntegrity();
  absl::Status Migrate();
  absl::Status Guarded(absl::FunctionRef<absl::Status()> work);
  absl::Status Savepoint(const char* name, absl::FunctionRef<absl::Status()> work);
  absl::Status Transaction(absl::FunctionRef<absl::Status()> work);
  absl::Status TruncateLog();
  absl::Status ToStatus(const SQLite::Exception& error) const;
  SQLite::Statement& Prepared(const char* sql);

  std::unique_ptr<SQLite::Database> db_;
  // Keyed by the address of the literal. Dies before the connection.
  absl::flat_hash_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;
  bool in_group_ = false;
  bool in_step_ = false;
  bool log_waits_ = false;  // EmptyLog() was asked for and has not succeeded yet.
  bool empty_log_after_commit_ = false;
  absl::Status broken_;  // First failure of the store itself within the open group.
};

// One use of a cached statement. `sql` is a string literal. Throws SQLite::Exception: only inside
// Atomically() and Reading().
class Query {
 public:
  Query(SqliteDb& db, const char* sql) : statement_(db.Prepared(sql)) {}
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Parameters in order of appearance.
  Query& Int(int64_t value);
  Query& Text(absl::string_view value);
  Query& Blob(ByteView value);
  Query& Time(WallTime value) { return Int(ToMs(value)); }

  bool Next() { return statement_.executeStep(); }  // False after the last row.
  void Run();                                       // For statements without rows.
  int Changes();                                    // Rows changed by Run().

  int64_t GetInt(int column) { return statement_.getColumn(column).getInt64(); }
  bool GetBool(int column) { return GetInt(column) != 0; }
  WallTime GetTime(int column) { return WallFromMs(GetInt(column)); }
  std::string GetText(int column) { return statement_.getColumn(column).getString(); }
  ByteView GetBlob(int column);  // Valid until the next call of Next().
  // Zero-filled when the stored value has another size.
  template <class IdType>
  IdType GetId(int column) {
    return IdType::FromBytes(GetBlob(column)).value_or(IdType{});
  }
  template <size_t N>
  std::array<uint8_t, N> GetArray(int column) {
    return ByteReader(GetBlob(column)).Array<N>();
  }

 private:
  SQLite::Statement& statement_;
  int next_parameter_ = 1;
};

}  // namespace p2p::server
