// What only a file can promise: modes, versions, damage, a full disk, and text that is really gone.
#include "control-server/store/sqlite_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/net/file.h"
#include "control-server/domain/names.h"
#include "control-server/store/migration_backup.h"
#include "control-server/store/migrations.h"
#include "control-server/store/store_queue.h"
#include "tests/fakes/power_vfs.h"

namespace p2p::server {
namespace {

using ::testing::HasSubstr;

constexpr WallTime kNow = WallFromMs(1'700'000'000'000);

class SqliteStoreTest : public ::testing::Test {
 protected:
  SqliteStoreTest() {
    std::string name = (std::filesystem::temp_directory_path() / "sqlite-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    path_ = directory_ + "/server.db";
  }
  ~SqliteStoreTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<SqliteStore> Open() {
    auto store = SqliteStore::Open(path_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  BroadcastRecord NewBroadcast(WallTime sent, std::string text) {
    BroadcastRecord record;
    record.id = random_.NewId<BroadcastId>();
    record.text = std::move(text);
    record.sent_at = sent;
    record.expires_at = sent + 30min;
    return record;
  }
  // How often `marker` stands in the database file or its log.
  int Occurrences(absl::string_view marker) const {
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      const auto content = net::ReadFile(entry.path().string(), size_t{1} << 30);
      EXPECT_TRUE(content.ok());
      for (size_t at = content->find(std::string(marker)); at != std::string::npos;
           at = content->find(std::string(marker), at + 1)) {
        ++found;
      }
    }
    return found;
  }

  SeededRandom random_{11};
  std::string directory_;
  std::string path_;
};

TEST_F(SqliteStoreTest, FilesArePrivate) {
  const auto store = Open();
  ASSERT_TRUE(store->PutBroadcast(NewBroadcast(kNow, "x")).ok());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3);  // Database, log, index of the log.
}

TEST_F(SqliteStoreTest, SyncsFullyAndKeepsALog) {
  Open();
  SQLite::Database other(path_, SQLite::OPEN_READONLY);
  EXPECT_EQ(other.execAndGet("PRAGMA journal_mode").getString(), "wal");
  EXPECT_EQ(other.execAndGet("PRAGMA user_version").getInt(),
            static_cast<int>(Migrations().size()));
}

TEST_F(SqliteStoreTest, FileOfANewerProgramIsRefusedAndLeftAlone) {
  Open();
  SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 999");
  const auto store = SqliteStore::Open(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("999"));
}

// A file of the first version: its accounts get the skeletons that the program would give them.
TEST_F(SqliteStoreTest, TheMigrationGivesEachLookOnceToTheOldest) {
  {
    SQLite::Database old(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    old.exec(Migrations()[0]);
    old.exec("PRAGMA user_version = 1");
    int64_t created = 0;
    for (const char* name : {"bill", "Bi1L", "b1II", "RNarnrrnn", "m0rn-i.1_l", "bob"}) {
      SQLite::Statement insert(old,
                               "INSERT INTO accounts VALUES (randomblob(16), ?, 'x', ?, 0, 0)");
      insert.bind(1, name);
      insert.bind(2, ++created);
      insert.exec();
    }
  }
  const auto store = Open();
  const auto accounts = store->ListAccounts();
  ASSERT_TRUE(accounts.ok());
  ASSERT_EQ(accounts->size(), 6u);
  for (const Account& account : *accounts) {
    const bool younger = account.username == "Bi1L" || account.username == "b1II";
    EXPECT_EQ(account.skeleton, younger ? "" : NameSkeleton(account.username)) << account.username;
  }
  EXPECT_EQ(store->FindLookalike("blll")->username, "bill");
}

TEST_F(SqliteStoreTest, AMigrationKeepsACopyOfTheOldVersionWithoutBroadcasts) {
  const std::string copy = MigrationBackupPath(path_, 1);
  {
    SQLite::Database old(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    old.exec("PRAGMA journal_mode = WAL");
    old.exec(Migrations()[0]);
    old.exec("PRAGMA user_version = 1");
    old.exec(
        "INSERT INTO accounts VALUES (x'01010101010101010101010101010101', 'bill', 'phc', 1, 0, "
        "0)");
    old.exec(
        "INSERT INTO broadcasts VALUES (x'02020202020202020202020202020202', "
        "x'01010101010101010101010101010101', 'key', x'03', CAST('m4rker-in-object' AS BLOB), "
        "x'04', 1, 2, 0, "
        "0)");
    old.exec("INSERT INTO broadcast_texts VALUES (x'02020202020202020202020202020202', 'm4rker')");
  }
  ASSERT_EQ(Open()->ListAccounts()->size(), 1u);
  struct stat info {};
  ASSERT_EQ(::stat(copy.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  {
    SQLite::Database kept(copy, SQLite::OPEN_READONLY);
    EXPECT_EQ(kept.execAndGet("PRAGMA user_version").getInt(), 1);
    EXPECT_EQ(kept.execAndGet("SELECT username FROM accounts").getString(), "bill");
    EXPECT_EQ(kept.execAndGet("SELECT count(*) FROM broadcasts").getInt(), 0);
  }
  std::ifstream file(copy, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(bytes.find("m4rker"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(copy + ".new"));

  std::filesystem::remove(copy);
  Open();  // It is of this version now: nothing to keep.
  EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(SqliteStoreTest, WithoutACopyThereIsNoMigration) {
  {
    SQLite::Database old(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    old.exec(Migrations()[0]);
    old.exec("PRAGMA user_version = 1");
  }
  std::filesystem::create_directory(MigrationBackupPath(path_, 1) + ".new");
  EXPECT_FALSE(SqliteStore::Open(path_).ok());
  SQLite::Database old(path_, SQLite::OPEN_READONLY);
  EXPECT_EQ(old.execAndGet("PRAGMA user_version").getInt(), 1);
}

TEST_F(SqliteStoreTest, TokensOfTheFirstVersionAreSessionsOfTheirOwn) {
  {
    SQLite::Database old(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    old.exec(Migrations()[0]);
    old.exec("PRAGMA user_version = 1");
    old.exec(
        "INSERT INTO accounts VALUES (x'01010101010101010101010101010101', 'bill', 'phc', 1, 0, "
        "0)");
    SQLite::Statement token(old,
                            "INSERT INTO tokens (hash, account, device_key, chat_port, issued_ms, "
                            "expires_ms) VALUES (randomblob(32), "
                            "x'01010101010101010101010101010101', zeroblob(32), 0, 1, ?)");
    token.bind(1, ToMs(kNow + 1h));
    token.exec();
  }
  const auto tokens = Open()->ListTokens(kNow);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_EQ(tokens->size(), 1u);
  EXPECT_EQ(SessionOf((*tokens)[0]), (*tokens)[0].hash);
}

TEST_F(SqliteStoreTest, DamageIsFoundAtStart) {
  {
    const auto store = Open();
    for (int i = 0; i < 200; ++i) {
      Account account;
      account.id = random_.NewId<UserId>();
      account.username = absl::StrCat("user", i);
      ASSERT_TRUE(store->CreateAccount(account).ok());
    }
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 64);  // Beyond the first page: it still looks like a database.
    for (int i = 0; i < 20'000; ++i) file.put('\x5A');
  }
  const auto store = SqliteStore::Open(path_);
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsDataLoss) {
  std::ofstream(path_) << std::string(8192, 'x');
  EXPECT_TRUE(absl::IsDataLoss(SqliteStore::Open(path_).status()));
}

TEST_F(SqliteStoreTest, AMissingDirectoryIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(SqliteStore::Open(directory_ + "/no/server.db").status()));
}

TEST_F(SqliteStoreTest, ExpiredTextIsGoneFromFileAndLog) {
  const std::string marker = "M4RKER-OF-AN-ANNOUNCEMENT";
  const auto store = Open();
  ASSERT_TRUE(store->PutBroadcast(NewBroadcast(kNow - 1h, marker)).ok());
  EXPECT_GE(Occurrences(marker), 1);  // Else the search would prove nothing.
  ASSERT_TRUE(store->PurgeBroadcasts(kNow, kNow - 24h).ok());
  EXPECT_EQ(Occurrences(marker), 0);
}

// Rows move between pages as others come and go; what moved must not leave a copy behind.
TEST_F(SqliteStoreTest, ExpiredTextLeavesNoCopiesInPagesThatWereRebuilt) {
  const std::string dead = "D3AD-TEXT";
  const auto store = Open();
  std::string live_marker = "L1VE-TEXT";
  int live = 0;
  for (int round = 0; round < 30; ++round) {
    const WallTime now = kNow + std::chrono::minutes(round);
    for (int i = 0; i < 40; ++i) {
      // Expired ones and live ones are mixed in the same pages, in sizes from tiny to many pages.
      const bool dies = random_.Below(3) != 0;
      std::string text;
      const size_t repeats = size_t{1} << random_.Below(random_.Below(8) == 0 ? 12 : 7);
      for (size_t r = 0; r < repeats; ++r) absl::StrAppend(&text, dies ? dead : live_marker, " ");
      live += dies ? 0 : static_cast<int>(repeats);
      auto record = NewBroadcast(now, std::move(text));
      record.expires_at = dies ? now + 10s : now + 100min;
      ASSERT_TRUE(store->PutBroadcast(record).ok());
    }
    ASSERT_TRUE(store->PurgeBroadcasts(now + 30s, kNow - 24h).ok());
    ASSERT_EQ(Occurrences(dead), 0) << "round " << round;
  }
  EXPECT_GT(live, 0);
  EXPECT_GE(Occurrences(live_marker), live / 2);  // The search does find what is there.
}

TEST_F(SqliteStoreTest, AReaderInTheWayOnlyDelaysThatTextIsGone) {
  const std::string marker = "M4RKER";
  const auto store = Open();
  ASSERT_TRUE(store->PutBroadcast(NewBroadcast(kNow - 1h, marker)).ok());
  {
    SQLite::Database other(path_, SQLite::OPEN_READONLY);
    other.exec("BEGIN");
    other.execAndGet("SELECT count(*) FROM broadcasts");
    const BroadcastRecord next = NewBroadcast(kNow, "next");
    ASSERT_TRUE(store
                    ->Group([&]() -> absl::Status {
                      P2P_RETURN_IF_ERROR(store->PurgeBroadcasts(kNow, kNow - 24h));
                      return store->PutBroadcast(next);
                    })
                    .ok());
    EXPECT_TRUE(store->GetBroadcast(next.id).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(store->PurgeBroadcasts(kNow, kNow - 24h)));
  }
  EXPECT_TRUE(store->PurgeBroadcasts(kNow, kNow - 24h).ok());
  EXPECT_EQ(Occurrences(marker), 0);
}

Account NewAccount(Random& random, absl::string_view name) {
  Account account;
  account.id = random.NewId<UserId>();
  account.username = std::string(name);
  return account;
}

TEST_F(SqliteStoreTest, FullDiskFailsWholeGroupsCleanlyAndReadingGoesOn) {
  PowerVfs disk("full-disk");
  auto opened = SqliteStore::Open(path_, disk.name());
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  const Account alice = NewAccount(random_, "alice");
  const Account bob = NewAccount(random_, "bob");
  ASSERT_TRUE(store.CreateAccount(alice).ok());
  disk.set_full(true);
  EXPECT_TRUE(absl::IsResourceExhausted(store.CreateAccount(bob)));
  const absl::Status full = store.Group([&]() -> absl::Status {
    EXPECT_TRUE(store.CreateAccount(bob).ok());  // Still in memory.
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(*store.GetAccount(alice.id), alice);
  EXPECT_TRUE(absl::IsNotFound(store.GetAccount(bob.id).status()));
  disk.set_full(false);
  EXPECT_TRUE(store.CreateAccount(bob).ok());
  EXPECT_EQ(store.ListAccounts()->size(), 2u);
}

TEST_F(SqliteStoreTest, StoreThatFillsUpWithinAGroupRunsNothingOutsideOfIt) {
  PowerVfs disk("full-in-group");
  auto opened = SqliteStore::Open(path_, disk.name());
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  const Account bob = NewAccount(random_, "bob");
  const absl::Status full = store.Group([&]() -> absl::Status {
    disk.set_full(true);
    // More than the page cache holds, so that SQLite has to write before the commit.
    absl::Status put;
    for (int i = 0; i < 200 && put.ok(); ++i) {
      put = store.Step(
          [&] { return store.PutBroadcast(NewBroadcast(kNow, std::string(60'000, 'x'))); });
    }
    EXPECT_TRUE(absl::IsResourceExhausted(put)) << put;
    disk.set_full(false);
    // The transaction is lost: what ran now would be committed alone, without an OK.
    EXPECT_FALSE(store.Step([&] { return store.CreateAccount(bob); }).ok());
    EXPECT_FALSE(store.CreateAccount(bob).ok());
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_TRUE(absl::IsNotFound(store.GetAccount(bob.id).status()));
  EXPECT_TRUE(store.ListBroadcasts(std::nullopt, WallFromMs(0), 10)->empty());
  EXPECT_TRUE(store.CreateAccount(bob).ok());
}

TEST_F(SqliteStoreTest, FailedSyncIsFatalForTheQueue) {
  PowerVfs disk("sync-fails");
  auto opened = SqliteStore::Open(path_, disk.name());
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::vector<absl::Status> fatal;
  std::vector<absl::Status> results;
  StoreQueue queue(**opened, [&](const absl::Status& s) { fatal.push_back(s); });
  disk.set_sync_fails(true);
  queue.Submit([a = NewAccount(random_, "alice")](Store& s) { return s.CreateAccount(a); },
               [&](const absl::Status& s) { results.push_back(s); });
  queue.Stop();
  ASSERT_EQ(fatal.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(fatal[0])) << fatal[0];
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(results[0]));
}

// The promise behind every OK: it survives loss of power at any moment.
TEST_F(SqliteStoreTest, WhatReturnedOkSurvivesAPowerCut) {
  PowerVfs disk("power-cut");
  auto opened = SqliteStore::Open(path_, disk.name());
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  std::vector<Account> acknowledged;
  for (int round = 0; round < 60; ++round) {
    const size_t writes = 1 + random_.Below(20);
    for (size_t i = 0; i < writes; ++i) {
      const Account account = NewAccount(random_, random_.NewId<ConnId>().Hex());
      ASSERT_TRUE(store.CreateAccount(account).ok());
      acknowledged.push_back(account);
    }
    if (round % 7 == 0) {
      ASSERT_TRUE(store.PutBroadcast(NewBroadcast(kNow - 1h, "text")).ok());
      ASSERT_TRUE(store.PurgeBroadcasts(kNow, kNow - 24h).ok());  // Checkpoints.
    }
    const std::string after = absl::StrCat(directory_, "/after", round, ".db");
    ASSERT_TRUE(disk.CutPower(path_, after, random_).ok());
    const auto survived = SqliteStore::Open(after);
    ASSERT_TRUE(survived.ok()) << "round " << round << ": " << survived.status();
    for (const Account& account : acknowledged) {
      ASSERT_TRUE((*survived)->GetAccount(account.id).ok()) << "lost in round " << round;
    }
    ASSERT_EQ((*survived)->ListAccounts()->size(), acknowledged.size());
  }
}

TEST_F(SqliteStoreTest, PowerCutInsideAGroupLeavesNothingOfIt) {
  PowerVfs disk("cut-in-group");
  auto opened = SqliteStore::Open(path_, disk.name());
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  ASSERT_TRUE(store.CreateAccount(NewAccount(random_, "alice")).ok());
  for (int round = 0; round < 20; ++round) {
    const std::string after = absl::StrCat(directory_, "/after", round, ".db");
    (void)store.Group([&]() -> absl::Status {
      for (size_t i = 0; i < 100; ++i) {  // Spills from the cache into the log.
        P2P_RETURN_IF_ERROR(store.PutBroadcast(NewBroadcast(kNow, std::string(60'000, 'x'))));
      }
      EXPECT_TRUE(disk.CutPower(path_, after, random_).ok());
      return absl::CancelledError("");
    });
    const auto survived = SqliteStore::Open(after);
    ASSERT_TRUE(survived.ok()) << survived.status();
    EXPECT_TRUE((*survived)->FindAccount("alice").ok());
    EXPECT_TRUE((*survived)->ListBroadcasts(std::nullopt, WallFromMs(0), 10)->empty());
  }
}

TEST_F(SqliteStoreTest, QueueOnAFileCommitsManyItemsWithFewSyncs) {
  const auto store = Open();
  StoreQueue queue(*store, [](const absl::Status& s) { ADD_FAILURE() << s; });
  std::atomic<int> created = 0;
  for (int i = 0; i < 2000; ++i) {
    Account account;
    account.id = random_.NewId<UserId>();
    account.username = absl::StrCat("user", i);
    queue.Submit([account](Store& s) { return s.CreateAccount(account); },
                 [&](const absl::Status& s) { created += s.ok() ? 1 : 0; });
  }
  queue.Stop();
  EXPECT_EQ(created, 2000);
  EXPECT_LT(queue.counters().Get(StoreQueueCount::kGroups), 1000u);
  EXPECT_EQ(store->ListAccounts()->size(), 2000u);
}

}  // namespace
}  // namespace p2p::server
