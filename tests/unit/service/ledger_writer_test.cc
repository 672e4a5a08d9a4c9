#include "control-server/service/ledger_writer.h"

#include <gtest/gtest.h>

#include <future>

#include "common/base/random.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {
namespace {

constexpr size_t kUsers = 10'000;
constexpr size_t kBroadcasts = 30;

class LedgerWriterTest : public ::testing::Test {
 protected:
  LedgerWriterTest() {
    for (size_t i = 0; i < kUsers; ++i) {
      Account account;
      account.id = random_.NewId<UserId>();
      account.username = "user" + std::to_string(i);
      users_.push_back(account.id);
      EXPECT_TRUE(store_.CreateAccount(account).ok());
    }
    for (size_t i = 0; i < kBroadcasts; ++i) {
      BroadcastRecord broadcast;
      broadcast.id = random_.NewId<BroadcastId>();
      broadcasts_.push_back(broadcast.id);
      EXPECT_TRUE(store_.PutBroadcast(broadcast).ok());
    }
  }
  // Everybody is due for each broadcast and has it; `between` runs after each broadcast.
  template <class F>
  void DeliverAll(LedgerWriter& ledger, F between) {
    for (const BroadcastId& id : broadcasts_) {
      std::vector<DeliveryRecord> due, delivered;
      for (const UserId& user : users_) {
        due.push_back({.broadcast = id, .user = user});
        delivered.push_back({.broadcast = id, .user = user, .via = DeliveryVia::kUdp});
      }
      ledger.Add(std::move(due), std::move(delivered));
      between();
    }
  }

  SeededRandom random_{3};
  MemoryStore store_;
  std::vector<UserId> users_;
  std::vector<BroadcastId> broadcasts_;
  asio::io_context hub_;
};

// The disk stands still for so long that hundreds of thousands of rows wait, and that the queue of
// the store takes no more; then it goes on.
TEST_F(LedgerWriterTest, NoRowIsLostHoweverFarTheDiskIsBehind) {
  StoreQueue queue(store_, [](const absl::Status& s) { ADD_FAILURE() << s; }, {.capacity = 100});
  LedgerWriter ledger(hub_, queue);
  std::promise<void> go_on;
  std::promise<void> stands;
  queue.Submit(
      [&](Store&) {
        stands.set_value();
        go_on.get_future().wait();
        return absl::OkStatus();
      },
      [](const absl::Status&) {});
  stands.get_future().wait();
  DeliverAll(ledger, [&] {
    ledger.Flush();
    hub_.poll();  // What was refused waits again.
    hub_.restart();
  });
  EXPECT_EQ(ledger.backlog(), 2 * kUsers * kBroadcasts);
  EXPECT_GT(ledger.counters().Get(LedgerCount::kRetried), 0u);
  go_on.set_value();
  while (ledger.backlog() > 0) {
    ledger.Flush();
    std::promise<void> written;
    queue.Read([](Store&) { return absl::OkStatus(); },
               [&](const absl::Status&) { written.set_value(); });
    written.get_future().wait();
    hub_.poll();
    hub_.restart();
  }
  queue.Stop();
  for (const BroadcastId& id : broadcasts_) {
    EXPECT_EQ(*store_.CountDeliveries(id), (DeliveryCounts{kUsers, kUsers}));
  }
  EXPECT_EQ(ledger.counters().Get(LedgerCount::kDropped), 0u);
}

}  // namespace
}  // namespace p2p::server
