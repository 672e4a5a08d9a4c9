// The power goes at every single write, truncation and sync while broadcasts and their receipts are
// stored. On each of these disks: what was answered OK is there, and nothing is there by half.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <latch>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "control-server/store/sqlite_store.h"
#include "control-server/store/store_queue.h"
#include "tests/fakes/power_vfs.h"

namespace p2p::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr WallTime kNow = WallFromMs(1'700'000'000'000);
constexpr size_t kPeople = 3;
constexpr int kCutsEach = 3;    // What a cut leaves is a matter of chance.
constexpr size_t kPage = 4096;  // SQLite's: texts below, at and far above what one holds.

// One broadcast on its way through the store; each step is asked for after the OK of the one
// before.
struct Announcement {
  BroadcastRecord record;
  bool put = false;  // These were answered OK.
  bool due = false;
  std::array<bool, kPeople> marked{};
};

class PowerCutTest : public ::testing::Test {
 protected:
  PowerCutTest() {
    // Which syncs count is known without a disk; in memory they cost nothing.
    const std::filesystem::path memory = "/dev/shm";
    const auto parent =
        std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "power-cut-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
  }
  ~PowerCutTest() override { std::filesystem::remove_all(directory_); }

  // What is wrong with the disks that cuts leave while all of it is stored at this `PRAGMA
  // synchronous`; a line each.
  std::vector<std::string> Findings(int synchronous);
  int cuts() const { return cuts_; }

 private:
  void Prepare(Store& store);
  void Announce(StoreQueue& queue, Announcement& a, std::latch& stored);
  void Receipts(StoreQueue& queue, Announcement& a, std::latch& stored);
  DeliveryRecord Row(const Announcement& a, size_t person, bool delivered) const;
  void Cut();
  void Judge(Store& survived, const Announcement& a);
  void JudgeRows(const std::vector<DeliveryRecord>& rows, const Announcement& a);
  void Find(absl::string_view what, const Announcement& a) {
    findings_.push_back(
        absl::StrCat("cut ", cuts_, ", ", what, ": broadcast of ", a.record.text.size(), " bytes"));
  }
  std::string File(absl::string_view name) const { return absl::StrCat(directory_, "/", name); }

  SeededRandom random_{5};
  std::string directory_;
  std::unique_ptr<PowerVfs> disk_;
  std::array<UserId, kPeople> people_;
  // Filled before the queue starts; from then on its thread alone touches what follows, which is
  // also the one that writes.
  std::vector<Announcement> announcements_;
  std::vector<std::string> findings_;
  int cuts_ = 0;
};

void PowerCutTest::Prepare(Store& store) {
  for (size_t i = 0; i < kPeople; ++i) {
    Account account;
    account.id = people_[i] = random_.NewId<UserId>();
    account.username = absl::StrCat("person", i);
    ASSERT_TRUE(store.CreateAccount(account).ok());
  }
  announcements_.clear();
  for (const size_t size : {size_t{10}, kPage - 90, 5 * kPage, size_t{0}, size_t{61'440},
                            size_t{200}, 2 * kPage, size_t{30}}) {
    Announcement a;
    a.record.id = random_.NewId<BroadcastId>();
    a.record.sender = people_[0];
    a.record.text.resize(size);
    for (char& c : a.record.text) c = static_cast<char>('a' + random_.Below(26));
    a.record.idempotency_key = random_.NewId<ConnId>().Hex();
    a.record.signed_object = Bytes(100, 7);
    a.record.sent_at = kNow;
    a.record.expires_at = kNow + 30min;
    announcements_.push_back(std::move(a));
  }
}

DeliveryRecord PowerCutTest::Row(const Announcement& a, size_t person, bool delivered) const {
  DeliveryRecord row{.broadcast = a.record.id, .user = people_[person], .due_at = kNow + 1s};
  if (!delivered) return row;
  row.via = person == 0 ? DeliveryVia::kChannel : DeliveryVia::kUdp;
  row.delivered_at = kNow + 2s;
  return row;
}

void PowerCutTest::Announce(StoreQueue& queue, Announcement& a, std::latch& stored) {
  queue.Submit([&a](Store& s) { return s.PutBroadcast(a.record); },
               [this, &queue, &a, &stored](const absl::Status& put) {
                 P2P_CHECK(put.ok());
                 a.put = true;
                 Receipts(queue, a, stored);
               });
}

void PowerCutTest::Receipts(StoreQueue& queue, Announcement& a, std::latch& stored) {
  std::vector<DeliveryRecord> due;
  for (size_t i = 0; i < kPeople; ++i) due.push_back(Row(a, i, false));
  const auto mark = [this, &queue, &a, &stored](const absl::Status& status) {
    P2P_CHECK(status.ok());
    a.due = true;
    for (size_t i = 0; i < kPeople; ++i) {
      queue.Submit(
          [row = Row(a, i, true)](Store& s) {
            return s.MarkDelivered(row.broadcast, row.user, row.via, row.delivered_at);
          },
          [&a, &stored, i](const absl::Status& marked) {
            P2P_CHECK(marked.ok());
            a.marked[i] = true;
            stored.count_down();
          });
    }
  };
  queue.Submit([due](Store& s) { return s.PutDue(due); }, mark);
}

void PowerCutTest::Cut() {
  ++cuts_;
  const std::string after = File("after.db");
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(after + suffix);
  const absl::Status cut = disk_->CutPower(File("server.db"), after, random_);
  ASSERT_TRUE(cut.ok()) << cut;
  const auto survived = SqliteStore::Open(after);
  if (!survived.ok()) {
    findings_.push_back(
        absl::StrCat("cut ", cuts_, ", does not open: ", std::string(survived.status().message())));
    return;
  }
  for (const Announcement& a : announcements_) Judge(**survived, a);
}

void PowerCutTest::Judge(Store& survived, const Announcement& a) {
  const auto found = survived.GetBroadcast(a.record.id);
  const auto rows = survived.ListDeliveries(a.record.id);
  if (!rows.ok()) return Find("unreadable rows", a);
  if (absl::IsNotFound(found.status())) {
    if (a.put) Find("lost after its OK", a);
    if (!rows->empty()) Find("rows without their broadcast", a);
    return;
  }
  if (!found.ok() || *found != a.record) return Find("neither whole nor absent", a);
  JudgeRows(*rows, a);
}

void PowerCutTest::JudgeRows(const std::vector<DeliveryRecord>& rows, const Announcement& a) {
  if (rows.empty()) {
    if (a.due) Find("due rows lost after their OK", a);
    return;
  }
  if (!a.put) Find("due rows nobody asked for", a);
  if (rows.size() != kPeople) return Find("some of the rows of one call", a);
  for (size_t i = 0; i < kPeople; ++i) {
    const bool old_one = std::count(rows.begin(), rows.end(), Row(a, i, false)) == 1;
    const bool new_one = std::count(rows.begin(), rows.end(), Row(a, i, true)) == 1;
    if (!old_one && !new_one) Find("a row that is neither old nor new", a);
    if (old_one && a.marked[i]) Find("a receipt lost after its OK", a);
    if (new_one && !a.due) Find("a receipt nobody asked for", a);
  }
}

std::vector<std::string> PowerCutTest::Findings(int synchronous) {
  findings_.clear();
  cuts_ = 0;
  disk_ = std::make_unique<PowerVfs>(absl::StrCat("every-write-", synchronous));
  disk_->set_synchronous(synchronous);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(File("server.db") + suffix);
  }
  auto opened = SqliteStore::Open(File("server.db"), disk_->name());
  EXPECT_TRUE(opened.ok()) << opened.status();
  Prepare(**opened);
  BroadcastRecord expired;
  expired.id = random_.NewId<BroadcastId>();
  expired.text = std::string(3 * kPage, 'e');
  expired.expires_at = kNow - 1s;
  EXPECT_TRUE((*opened)->PutBroadcast(expired).ok());
  // So that the first cut finds the accounts, whatever the level.
  EXPECT_TRUE((*opened)->PurgeBroadcasts(kNow - 1h, kNow - 24h).ok());
  disk_->set_before_event([this] {
    for (int i = 0; i < kCutsEach; ++i) Cut();
  });
  {
    // Small groups: some steps share one, some commit alone.
    std::latch stored(static_cast<ptrdiff_t>(announcements_.size() * kPeople));
    StoreQueue queue(**opened, [](const absl::Status& s) { ADD_FAILURE() << s; },
                     {.max_group_items = 3});
    for (size_t i = 0; i < announcements_.size(); ++i) {
      Announce(queue, announcements_[i], stored);
      // The log goes into the database and is emptied, in the midst of it.
      if (i == announcements_.size() / 2) {
        queue.Submit([](Store& s) { return s.PurgeBroadcasts(kNow, kNow - 24h); },
                     [](const absl::Status& purged) { EXPECT_TRUE(purged.ok()) << purged; });
      }
    }
    stored.wait();  // The later steps are asked for by the answers to the earlier ones.
  }
  disk_->set_before_event(nullptr);
  Cut();
  return findings_;
}

constexpr int kOff = 0;
constexpr int kNormal = 1;
constexpr int kFull = 2;

TEST_F(PowerCutTest, AtEveryWriteOfABroadcastAndOfItsReceipts) {
  EXPECT_THAT(Findings(kFull), IsEmpty());
  EXPECT_GT(cuts(), kCutsEach * 200);  // Else it is not every write.
}

// Else the test above would prove nothing.
TEST_F(PowerCutTest, FindsWhatLesserCareWouldLose) {
  for (const int level : {kOff, kNormal}) {
    EXPECT_THAT(Findings(level), Contains(HasSubstr("after its OK"))) << "synchronous " << level;
  }
}

}  // namespace
}  // namespace p2p::server
