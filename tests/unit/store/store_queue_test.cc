#include "control-server/store/store_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "common/base/random.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Account NewAccount(SeededRandom& random, const std::string& name) {
  Account account;
  account.id = random.NewId<UserId>();
  account.username = name;
  account.phc = "phc";
  return account;
}

// Waits for the one call of a `done`.
template <class Result>
class Outcome {
 public:
  auto Done() {
    return [this](Result r) { promise_.set_value(std::move(r)); };
  }
  Result Get() { return promise_.get_future().get(); }

 private:
  std::promise<Result> promise_;
};

// Holds the store thread inside an item until told to go on, so that a test decides what is queued.
class Gate {
 public:
  void Close(StoreQueue& queue) {
    queue.Submit(
        [this](Store&) {
          entered_.set_value();
          open_.get_future().wait();
          return absl::OkStatus();
        },
        [](const absl::Status&) {});
    entered_.get_future().wait();
  }
  void Open() { open_.set_value(); }

 private:
  std::promise<void> entered_;
  std::promise<void> open_;
};

StoreQueue::Fatal NeverFatal() {
  return [](const absl::Status& status) { ADD_FAILURE() << "fatal: " << status; };
}

class StoreQueueTest : public ::testing::Test {
 protected:
  SeededRandom random_{1};
  MemoryStore store_;
};

TEST_F(StoreQueueTest, ResultArrivesAfterTheWork) {
  StoreQueue queue(store_, NeverFatal());
  Outcome<absl::Status> created;
  const Account alice = NewAccount(random_, "alice");
  queue.Submit([alice](Store& s) { return s.CreateAccount(alice); }, created.Done());
  EXPECT_TRUE(created.Get().ok());
  Outcome<absl::StatusOr<Account>> found;
  queue.Read([](Store& s) { return s.FindAccount("ALICE"); }, found.Done());
  EXPECT_EQ(found.Get()->id, alice.id);
}

TEST_F(StoreQueueTest, OneFailingItemDoesNotSpoilItsGroupAndLeavesNoTrace) {
  StoreQueue queue(store_, NeverFatal());
  Gate gate;
  gate.Close(queue);
  const Account alice = NewAccount(random_, "alice");
  const Account bob = NewAccount(random_, "bob");
  const Account carol = NewAccount(random_, "carol");
  const Account alice2 = NewAccount(random_, "Alice");
  Outcome<absl::Status> a, b, c;
  queue.Submit([&](Store& s) { return s.CreateAccount(alice); }, a.Done());
  queue.Submit(
      [&](Store& s) {
        // The first half succeeds; the failure of the second must take it back.
        if (absl::Status made = s.CreateAccount(bob); !made.ok()) return made;
        return s.CreateAccount(alice2);
      },
      b.Done());
  queue.Submit([&](Store& s) { return s.CreateAccount(carol); }, c.Done());
  gate.Open();
  EXPECT_TRUE(a.Get().ok());
  EXPECT_TRUE(absl::IsAlreadyExists(b.Get()));
  EXPECT_TRUE(c.Get().ok());
  queue.Stop();
  const auto accounts = store_.ListAccounts();
  std::vector<std::string> names;
  for (const Account& account : *accounts) names.push_back(account.username);
  EXPECT_THAT(names, ElementsAre("alice", "carol"));
}

TEST_F(StoreQueueTest, WhatIsQueuedTogetherIsCommittedTogether) {
  StoreQueue queue(store_, NeverFatal(), {.group_window = 10s});
  Gate gate;
  gate.Close(queue);
  std::vector<Outcome<absl::Status>> outcomes(100);
  for (auto& outcome : outcomes) {
    queue.Submit([a = NewAccount(random_, random_.NewId<UserId>().Hex())](
                     Store& s) { return s.CreateAccount(a); },
                 outcome.Done());
  }
  gate.Open();
  for (auto& outcome : outcomes) EXPECT_TRUE(outcome.Get().ok());
  queue.Stop();
  EXPECT_EQ(queue.counters().Get(StoreQueueCount::kGroups), 1u);
  EXPECT_EQ(queue.counters().Get(StoreQueueCount::kItems), 101u);
}

TEST_F(StoreQueueTest, FullQueueRefusesAndCounts) {
  StoreQueue queue(store_, NeverFatal(), {.capacity = 2});
  Gate gate;
  gate.Close(queue);
  const auto nothing = [](Store&) { return absl::OkStatus(); };
  Outcome<absl::Status> first, second, third;
  queue.Submit(nothing, first.Done());
  queue.Submit(nothing, second.Done());
  queue.Submit(nothing, third.Done());
  EXPECT_TRUE(absl::IsResourceExhausted(third.Get()));
  EXPECT_EQ(queue.counters().Get(StoreQueueCount::kRefused), 1u);
  gate.Open();
  EXPECT_TRUE(first.Get().ok());
  EXPECT_TRUE(second.Get().ok());
}

TEST_F(StoreQueueTest, StopFinishesWhatIsQueuedAndRefusesTheRest) {
  StoreQueue queue(store_, NeverFatal());
  std::atomic<int> finished = 0;
  for (int i = 0; i < 200; ++i) {
    queue.Submit([](Store&) { return absl::OkStatus(); },
                 [&](const absl::Status& s) { finished += s.ok() ? 1 : 0; });
  }
  queue.Stop();
  EXPECT_EQ(finished, 200);
  Outcome<absl::Status> late;
  queue.Submit([](Store&) { return absl::OkStatus(); }, late.Done());
  EXPECT_TRUE(absl::IsUnavailable(late.Get()));
}

TEST_F(StoreQueueTest, DoneMaySubmit) {
  StoreQueue queue(store_, NeverFatal());
  Outcome<absl::Status> second;
  queue.Submit([](Store&) { return absl::OkStatus(); },
               [&](const absl::Status&) {
                 queue.Submit([](Store&) { return absl::OkStatus(); }, second.Done());
               });
  EXPECT_TRUE(second.Get().ok());
}

TEST_F(StoreQueueTest, ReadSeesWhatWasQueuedBeforeIt) {
  StoreQueue queue(store_, NeverFatal());
  Gate gate;
  gate.Close(queue);
  Outcome<absl::Status> created;
  Outcome<absl::StatusOr<std::vector<Account>>> listed;
  queue.Submit([a = NewAccount(random_, "alice")](Store& s) { return s.CreateAccount(a); },
               created.Done());
  queue.Read([](Store& s) { return s.ListAccounts(); }, listed.Done());
  gate.Open();
  EXPECT_EQ(listed.Get()->size(), 1u);
}

TEST_F(StoreQueueTest, ManyThreadsLoseNothing) {
  StoreQueue queue(store_, NeverFatal(), {.capacity = 100'000});
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&queue, &done, t] {
      SeededRandom random(static_cast<uint64_t>(t) + 100);
      for (int i = 0; i < 250; ++i) {
        const Account account = NewAccount(random, random.NewId<UserId>().Hex());
        queue.Submit([account](Store& s) { return s.CreateAccount(account); },
                     [&done](const absl::Status& s) { done += s.ok() ? 1 : 0; });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  queue.Stop();
  EXPECT_EQ(done, 1000);
  EXPECT_EQ(store_.ListAccounts()->size(), 1000u);
}

// A memory store whose commits fail with a chosen error.
class FailingStore : public MemoryStore {
 public:
  explicit FailingStore(absl::Status failure) : failure_(std::move(failure)) {}
  absl::Status Group(absl::FunctionRef<absl::Status()> work) override {
    return MemoryStore::Group([&]() -> absl::Status {
      const absl::Status status = work();
      return failure_.ok() ? status : failure_;
    });
  }
  void Heal() { failure_ = absl::OkStatus(); }

 private:
  absl::Status failure_;
};

TEST(StoreQueueFailureTest, FullDiskFailsTheGroupAndTheQueueGoesOn) {
  FailingStore store(absl::ResourceExhaustedError("disk full"));
  SeededRandom random(1);
  StoreQueue queue(store, NeverFatal());
  const Account alice = NewAccount(random, "alice");
  const auto create = [alice](Store& s) { return s.CreateAccount(alice); };
  Outcome<absl::Status> first, second;
  Outcome<absl::StatusOr<std::vector<Account>>> listed;
  queue.Submit(create, first.Done());
  EXPECT_TRUE(absl::IsResourceExhausted(first.Get()));
  queue.Read([](Store& s) { return s.ListAccounts(); }, listed.Done());
  EXPECT_EQ(listed.Get()->size(), 0u);
  store.Heal();  // The queue is idle: its thread does not look at the store now.
  queue.Submit(create, second.Done());
  EXPECT_TRUE(second.Get().ok());
  EXPECT_EQ(queue.counters().Get(StoreQueueCount::kFailedGroups), 1u);
}

TEST(StoreQueueFailureTest, FailedCommitIsFatalOnceAndNothingIsTriedAgain) {
  FailingStore store(absl::UnavailableError("fsync: Input/output error"));
  std::vector<absl::Status> fatal;
  StoreQueue queue(store, [&fatal](const absl::Status& s) { fatal.push_back(s); });
  Gate gate;
  gate.Close(queue);
  const auto nothing = [](Store&) { return absl::OkStatus(); };
  Outcome<absl::Status> same_group;
  Outcome<absl::Status> waiting;
  Outcome<absl::Status> later;
  queue.Submit(nothing, same_group.Done());
  queue.Read(nothing, waiting.Done());  // Ends the group; still queued when the commit fails.
  gate.Open();
  EXPECT_TRUE(absl::IsUnavailable(same_group.Get()));
  EXPECT_TRUE(absl::IsUnavailable(waiting.Get()));
  queue.Submit(nothing, later.Done());
  EXPECT_TRUE(absl::IsUnavailable(later.Get()));
  queue.Stop();
  ASSERT_EQ(fatal.size(), 1u);
  EXPECT_THAT(std::string(fatal[0].message()), HasSubstr("fsync"));
  EXPECT_EQ(queue.counters().Get(StoreQueueCount::kGroups), 1u);
}

}  // namespace
}  // namespace p2p::server
