#include "peer-client/state/record_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/memory_storage.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kPath[] = "journal";
constexpr char kMagic[] = "p2ptest1";

struct Opened {
  std::unique_ptr<RecordLog> log;
  std::vector<std::string> records;
};

Opened OpenLog(LogStorage& storage, const std::string& path = kPath) {
  Opened out;
  auto log = RecordLog::Open(storage, path, kMagic, [&out](ByteView record) {
    out.records.push_back(ToString(record));
    return absl::OkStatus();
  });
  EXPECT_TRUE(log.ok()) << log.status();
  if (log.ok()) out.log = *std::move(log);
  return out;
}

TEST(RecordLogTest, SyncedRecordsSurviveLossOfPowerOthersDoNot) {
  MemoryStorage storage;
  {
    const Opened journal = OpenLog(storage);
    ASSERT_TRUE(journal.log->Append(AsBytes("one")).ok());
    ASSERT_TRUE(journal.log->Append(AsBytes("two")).ok());
    ASSERT_TRUE(journal.log->Sync().ok());
    ASSERT_TRUE(journal.log->Append(AsBytes("three")).ok());
  }
  storage.CutPower();
  EXPECT_THAT(OpenLog(storage).records, ElementsAre("one", "two"));
}

TEST(RecordLogTest, ATornTailIsCutAndTheLogGoesOn) {
  for (size_t torn = 1; torn < 4 + 8 + 5; ++torn) {
    MemoryStorage storage;
    {
      const Opened journal = OpenLog(storage);
      ASSERT_TRUE(journal.log->Append(AsBytes("one")).ok());
      ASSERT_TRUE(journal.log->Sync().ok());
      ASSERT_TRUE(journal.log->Append(AsBytes("three")).ok());
    }
    storage.CutPower(torn);
    {
      const Opened journal = OpenLog(storage);
      EXPECT_THAT(journal.records, ElementsAre("one")) << torn;
      EXPECT_EQ(journal.log->dropped_bytes(), torn);
      ASSERT_TRUE(journal.log->Append(AsBytes("four")).ok());
      ASSERT_TRUE(journal.log->Sync().ok());
    }
    storage.CutPower();
    EXPECT_THAT(OpenLog(storage).records, ElementsAre("one", "four")) << torn;
  }
}

TEST(RecordLogTest, AFlippedBitEndsTheLogThere) {
  MemoryStorage storage;
  {
    const Opened journal = OpenLog(storage);
    for (const char* text : {"one", "two", "three"}) {
      ASSERT_TRUE(journal.log->Append(AsBytes(text)).ok());
    }
    ASSERT_TRUE(journal.log->Sync().ok());
  }
  const size_t second = RecordLog::kMagicSize + 12 + 3;
  for (size_t i = second; i < second + 12 + 3; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      MemoryStorage damaged;
      ASSERT_TRUE(damaged.Replace(kPath, storage.Raw(kPath)).ok());
      damaged.Raw(kPath)[i] = static_cast<char>(damaged.Raw(kPath)[i] ^ (1 << bit));
      EXPECT_THAT(OpenLog(damaged).records, ElementsAre("one")) << i << " " << bit;
    }
  }
}

TEST(RecordLogTest, AFailedSyncIsNeverRetried) {
  MemoryStorage storage;
  const Opened journal = OpenLog(storage);
  ASSERT_TRUE(journal.log->Append(AsBytes("one")).ok());
  storage.error = absl::UnavailableError("input/output error");
  EXPECT_FALSE(journal.log->Sync().ok());
  storage.error = absl::OkStatus();
  EXPECT_FALSE(journal.log->Sync().ok());
  EXPECT_FALSE(journal.log->Append(AsBytes("two")).ok());
  EXPECT_FALSE(journal.log->Rewrite({}).ok());
}

TEST(RecordLogTest, NothingToSyncCostsNothing) {
  MemoryStorage storage;
  const Opened journal = OpenLog(storage);
  ASSERT_TRUE(journal.log->Append(AsBytes("one")).ok());
  ASSERT_TRUE(journal.log->Sync().ok());
  ASSERT_TRUE(journal.log->Sync().ok());
  EXPECT_EQ(storage.syncs, 1);
}

TEST(RecordLogTest, DeferredRecordsGoWithTheNextWriteInTheirOrder) {
  MemoryStorage storage;
  {
    const Opened journal = OpenLog(storage);
    const auto uses = storage.uses;
    ASSERT_TRUE(journal.log->Defer(AsBytes("one")).ok());
    ASSERT_TRUE(journal.log->Defer(AsBytes("two")).ok());
    EXPECT_TRUE(journal.log->deferred());
    EXPECT_EQ(storage.uses, uses);
    ASSERT_TRUE(journal.log->Append(AsBytes("three")).ok());
    EXPECT_FALSE(journal.log->deferred());
    EXPECT_EQ(storage.uses, uses + 1);
    ASSERT_TRUE(journal.log->Defer(AsBytes("four")).ok());
    ASSERT_TRUE(journal.log->Flush().ok());
    ASSERT_TRUE(journal.log->Defer(AsBytes("never written")).ok());
  }
  EXPECT_THAT(OpenLog(storage).records, ElementsAre("one", "two", "three", "four"));
}

TEST(RecordLogTest, RewriteReplacesAndAppendsFollow) {
  MemoryStorage storage;
  {
    const Opened journal = OpenLog(storage);
    for (const char* text : {"one", "two", "three"}) {
      ASSERT_TRUE(journal.log->Append(AsBytes(text)).ok());
    }
    ASSERT_TRUE(journal.log->Rewrite({ToBytes(AsBytes("three"))}).ok());
    ASSERT_TRUE(journal.log->Append(AsBytes("four")).ok());
    ASSERT_TRUE(journal.log->Sync().ok());
    EXPECT_EQ(journal.log->size(), storage.Raw(kPath).size());
  }
  storage.CutPower();
  EXPECT_THAT(OpenLog(storage).records, ElementsAre("three", "four"));
}

TEST(RecordLogTest, AnotherKindOfFileIsRefusedAndUntouched) {
  MemoryStorage storage;
  ASSERT_TRUE(storage.Replace(kPath, "p2pother and its content").ok());
  const auto log =
      RecordLog::Open(storage, kPath, kMagic, [](ByteView) { return absl::OkStatus(); });
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(storage.Raw(kPath), "p2pother and its content");
}

TEST(RecordLogTest, ARecordThatItsOwnerRefusesEndsTheOpening) {
  MemoryStorage storage;
  ASSERT_TRUE(OpenLog(storage).log->Append(AsBytes("one")).ok());
  const auto log = RecordLog::Open(storage, kPath, kMagic,
                                   [](ByteView) { return absl::DataLossError("not mine"); });
  EXPECT_EQ(log.status().code(), absl::StatusCode::kDataLoss);
}

TEST(RecordLogTest, OnTheDiskFilesArePrivate) {
  const std::string path = ::testing::TempDir() + "/record_log_test." + std::to_string(::getpid());
  DiskStorage storage;
  ASSERT_TRUE(storage.Remove(path).ok());
  {
    const Opened journal = OpenLog(storage, path);
    EXPECT_THAT(journal.records, IsEmpty());
    ASSERT_TRUE(journal.log->Append(AsBytes("one")).ok());
    ASSERT_TRUE(journal.log->Sync().ok());
    ASSERT_TRUE(journal.log->Rewrite({ToBytes(AsBytes("one")), ToBytes(AsBytes("two"))}).ok());
    ASSERT_TRUE(journal.log->Append(AsBytes("three")).ok());
    ASSERT_TRUE(journal.log->Sync().ok());
  }
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(OpenLog(storage, path).records, ElementsAre("one", "two", "three"));
  EXPECT_TRUE(storage.Remove(path).ok());
  EXPECT_TRUE(absl::IsNotFound(storage.Read(path).status()));
}

}  // namespace
}  // namespace p2p::client
