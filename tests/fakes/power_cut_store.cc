#include "tests/fakes/power_cut_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "SQLiteCpp/SQLiteCpp.h"
#include "absl/strings/str_cat.h"

namespace p2p::server {
namespace {

using Rows = std::vector<std::string>;

void AddRows(SQLite::Database& database, const std::string& table, Rows& rows) {
  SQLite::Statement all(database, absl::StrCat("SELECT * FROM \"", table, "\""));
  while (all.executeStep()) {
    std::string row = table;
    for (int i = 0; i < all.getColumnCount(); ++i) {
      const SQLite::Column cell = all.getColumn(i);
      absl::StrAppend(&row, "|", cell.getType(), ":",
                      std::string(static_cast<const char*>(cell.getBlob()),
                                  static_cast<size_t>(cell.getBytes())));
    }
    rows.push_back(std::move(row));
  }
}

// Every row of every table, sorted.
Rows AllRows(const std::string& path) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE);
  std::vector<std::string> tables;
  SQLite::Statement names(database, "SELECT name FROM sqlite_master WHERE type = 'table'");
  while (names.executeStep()) tables.push_back(names.getColumn(0).getString());
  Rows rows;
  for (const std::string& table : tables) AddRows(database, table, rows);
  std::sort(rows.begin(), rows.end());
  return rows;
}

void Remove(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
}

}  // namespace

PowerCutStore::PowerCutStore(std::string directory)
    : directory_(std::move(directory)), store_(Open()) {}

std::unique_ptr<SqliteStore> PowerCutStore::Open() {
  auto opened = SqliteStore::Open(File("server.db"), disk_.name());
  if (!opened.ok()) ADD_FAILURE() << opened.status();
  return *std::move(opened);
}

void PowerCutStore::Reopen() {
  store_.reset();
  store_ = Open();
}

Store& PowerCutStore::Get() {
  ++cuts_;
  const std::string written = File("written.db");  // With nothing lost.
  const std::string after = File("after.db");
  Remove(written);
  Remove(after);
  for (const char* suffix : {"", "-wal"}) {
    const std::string from = File("server.db") + suffix;
    if (std::filesystem::exists(from)) std::filesystem::copy_file(from, written + suffix);
  }
  const absl::Status cut = disk_.CutPower(File("server.db"), after, random_);
  EXPECT_TRUE(cut.ok()) << cut;
  const auto survived = SqliteStore::Open(after);
  EXPECT_TRUE(survived.ok()) << "cut " << cuts_ << ": " << survived.status();
  EXPECT_TRUE(AllRows(after) == AllRows(written)) << "cut " << cuts_ << " lost or made something";
  return *store_;
}

}  // namespace p2p::server
