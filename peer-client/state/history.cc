#include "peer-client/state/history.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/fd.h"

namespace p2p::client {
namespace {

constexpr int kVersion = 1;
constexpr char kSchema[] =
    "CREATE TABLE line (n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, peer TEXT NOT NULL COLLATE "
    "NOCASE, id TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (id, kind));"
    "CREATE INDEX line_peer ON line (peer, n);"
    "CREATE INDEX line_at ON line (at_ms);"
    "PRAGMA user_version = 1";
constexpr char kColumns[] = "SELECT kind, peer, id, at_ms, text FROM line ";

HistoryEntry Row(SQLite::Statement& row) {
  HistoryEntry out;
  out.kind = static_cast<HistoryEntry::Kind>(std::clamp(row.getColumn(0).getInt(), 0, 2));
  out.peer = row.getColumn(1).getString();
  out.id = row.getColumn(2).getString();
  out.at = WallFromMs(row.getColumn(3).getInt64());
  out.text = row.getColumn(4).getString();
  return out;
}

// SQLiteCpp throws; nothing of it leaves this file.
template <class T>
absl::StatusOr<T> Try(const std::function<T()>& f) {
  try {
    return f();
  } catch (const SQLite::Exception& error) {
    return absl::DataLossError(absl::StrCat("history: ", error.what()));
  }
}

std::vector<HistoryEntry> NewestFirstToOldest(SQLite::Statement& query) {
  std::vector<HistoryEntry> out;
  while (query.executeStep()) out.push_back(Row(query));
  std::reverse(out.begin(), out.end());
  return out;
}

// For LIKE with '\' as its escape.
std::string Pattern(absl::string_view text) {
  return absl::StrCat("%", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"%", "\\%"}, {"_", "\\_"}}),
                      "%");
}

std::string JsonLine(const HistoryEntry& entry) {
  const nlohmann::ordered_json j{{"kind", std::string(HistoryKindName(entry.kind))},
                                 {"peer", entry.peer},
                                 {"id", entry.id},
                                 {"at", FormatRfc3339(entry.at)},
                                 {"text", entry.text}};
  return j.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

absl::Status WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return net::ErrnoError("export", errno);
    data.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view HistoryKindName(HistoryEntry::Kind kind) {
  switch (kind) {
    case HistoryEntry::Kind::kIn:
      return "in";
    case HistoryEntry::Kind::kOut:
      return "out";
    case HistoryEntry::Kind::kBroadcast:
      return "broadcast";
  }
  return "";
}

struct History::Db {
  explicit Db(const std::string& path) : sql(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {}
  mutable SQLite::Database sql;
};

History::History(std::unique_ptr<Db> db) : db_(std::move(db)) {}
History::~History() = default;

absl::StatusOr<std::unique_ptr<History>> History::Open(const std::string& path) {
  // SQLite gives what it makes beside the file the same mode.
  const net::UniqueFd made(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!made.valid()) return net::ErrnoError(path, errno);
  return Try<std::unique_ptr<History>>([&] {
    auto db = std::make_unique<Db>(path);
    db->sql.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
        "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF");
    const int version = db->sql.execAndGet("PRAGMA user_version").getInt();
    if (version == 0) db->sql.exec(absl::StrCat("BEGIN; ", kSchema, "; COMMIT"));
    if (version > kVersion) throw SQLite::Exception("it is of a newer version of this program");
    return std::unique_ptr<History>(new History(std::move(db)));
  });
}

void History::RemoveFile(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    (void)::unlink(absl::StrCat(path, suffix).c_str());
  }
}

absl::Status History::Add(const HistoryEntry& entry) {
  return Try<int>([&] {
           SQLite::Statement add(db_->sql,
                                 "INSERT OR IGNORE INTO line (kind, peer, id, at_ms, text) VALUES "
                                 "(?, ?, ?, ?, ?)");
           add.bind(1, static_cast<int>(entry.kind));
           add.bind(2, entry.peer);
           add.bind(3, entry.id);
           add.bind(4, ToMs(entry.at));
           add.bind(5, entry.text);
           return add.exec();
         })
      .status();
}

absl::StatusOr<std::vector<HistoryEntry>> History::Newest(absl::string_view peer,
                                                          size_t most) const {
  return Try<std::vector<HistoryEntry>>([&] {
    SQLite::Statement query(db_->sql, absl::StrCat(kColumns, peer.empty() ? "" : "WHERE peer = ?1 ",
                                                   "ORDER BY n DESC LIMIT ?2"));
    if (!peer.empty()) query.bind(1, std::string(peer));
    query.bind(2, static_cast<int64_t>(std::min(most, kMost)));
    return NewestFirstToOldest(query);
  });
}

absl::StatusOr<std::vector<HistoryEntry>> History::Search(absl::string_view text,
                                                          size_t most) const {
  return Try<std::vector<HistoryEntry>>([&] {
    SQLite::Statement query(
        db_->sql,
        absl::StrCat(kColumns, "WHERE text LIKE ?1 ESCAPE '\\' ORDER BY n DESC LIMIT ?2"));
    query.bind(1, Pattern(text));
    query.bind(2, static_cast<int64_t>(std::min(most, kMost)));
    return NewestFirstToOldest(query);
  });
}

absl::StatusOr<size_t> History::Export(const std::string& path) const {
  const net::UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return net::ErrnoError(path, errno);
  absl::Status written;
  P2P_ASSIGN_OR_RETURN(const size_t count, Try<size_t>([&] {
                         size_t lines = 0;
                         SQLite::Statement query(db_->sql, absl::StrCat(kColumns, "ORDER BY n"));
                         for (; written.ok() && query.executeStep(); ++lines) {
                           written = WriteAll(fd.get(), JsonLine(Row(query)));
                         }
                         return lines;
                       }));
  P2P_RETURN_IF_ERROR(written);
  if (::fsync(fd.get()) != 0) return net::ErrnoError(path, errno);
  return count;
}

absl::Status History::Forget(WallTime before) {
  return Try<int>([&] {
           SQLite::Statement forget(db_->sql, "DELETE FROM line WHERE at_ms < ?");
           forget.bind(1, ToMs(before));
           const int gone = forget.exec();
           if (gone > 0) db_->sql.exec("PRAGMA wal_checkpoint(TRUNCATE)");
           return gone;
         })
      .status();
}

}  // namespace p2p::client
