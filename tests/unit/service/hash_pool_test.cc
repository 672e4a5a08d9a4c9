#include "control-server/service/hash_pool.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>

namespace p2p::server {
namespace {

using Turn = HashPool::Turn;

// Holds the pool's only thread until told to go on.
class Blocker {
 public:
  HashPool::Job Job() {
    return [this](Turn) {
      begun_.set_value();
      go_.get_future().wait();
    };
  }
  void WaitUntilBegun() { begun_.get_future().wait(); }
  void Go() { go_.set_value(); }

 private:
  std::promise<void> begun_, go_;
};

TEST(HashPoolTest, RunsWhatItIsGivenInOrder) {
  const ManualClock clock;
  std::vector<int> order;
  {
    HashPool pool(clock, {.threads = 1});
    std::promise<void> done;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(pool.Submit([&, i](Turn turn) {
        EXPECT_EQ(turn, Turn::kRun);
        order.push_back(i);
        if (i == 2) done.set_value();
      }));
    }
    done.get_future().wait();
    EXPECT_EQ(pool.counters().Get(HashCount::kDone), 3u);
  }
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2));
}

TEST(HashPoolTest, RefusesWhenTheQueueIsFull) {
  const ManualClock clock;
  HashPool pool(clock, {.threads = 1, .capacity = 2});
  Blocker blocker;
  ASSERT_TRUE(pool.Submit(blocker.Job()));
  blocker.WaitUntilBegun();
  std::atomic<int> run{0};
  const auto count = [&run](Turn) { ++run; };
  EXPECT_TRUE(pool.Submit(count));
  EXPECT_TRUE(pool.Submit(count));
  EXPECT_FALSE(pool.Submit(count));
  EXPECT_EQ(pool.counters().Get(HashCount::kQueueFull), 1u);
  blocker.Go();
  pool.Stop();
  EXPECT_EQ(run, 2);
}

TEST(HashPoolTest, AJobThatWaitedTooLongIsToldSo) {
  ManualClock clock;
  HashPool pool(clock, {.threads = 1, .max_wait = 5s});
  Blocker blocker;
  ASSERT_TRUE(pool.Submit(blocker.Job()));
  blocker.WaitUntilBegun();
  std::promise<Turn> old_turn, fresh_turn;
  ASSERT_TRUE(pool.Submit([&](Turn turn) { old_turn.set_value(turn); }));
  clock.Advance(5s + 1ms);
  ASSERT_TRUE(pool.Submit([&](Turn turn) { fresh_turn.set_value(turn); }));
  blocker.Go();
  EXPECT_EQ(old_turn.get_future().get(), Turn::kTooLate);
  EXPECT_EQ(fresh_turn.get_future().get(), Turn::kRun);
  EXPECT_EQ(pool.counters().Get(HashCount::kTooLate), 1u);
}

TEST(HashPoolTest, StoppingTellsEveryWaitingJobAndTakesNoMore) {
  const ManualClock clock;
  HashPool pool(clock, {.threads = 1});
  Blocker blocker;
  ASSERT_TRUE(pool.Submit(blocker.Job()));
  blocker.WaitUntilBegun();
  std::atomic<int> told{0};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(pool.Submit([&](Turn turn) { told += turn == Turn::kTooLate; }));
  }
  // Goes on only when Stop has begun: from then on Submit refuses.
  std::thread stopper([&] { pool.Stop(); });
  while (pool.Submit([&](Turn) { ++told; })) std::this_thread::yield();
  const int refused_after = static_cast<int>(pool.counters().Get(HashCount::kQueueFull));
  blocker.Go();
  stopper.join();
  EXPECT_GE(told, 10);
  EXPECT_EQ(refused_after, 1);
}

TEST(HashPoolTest, ManyCallersAtOnce) {
  const ManualClock clock;
  HashPool pool(clock, {.threads = 3, .capacity = 10'000});
  std::atomic<int> run{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(pool.Submit([&](Turn) { ++run; }));
    });
  }
  for (auto& caller : callers) caller.join();
  pool.Stop();
  EXPECT_EQ(run, 2000);
}

}  // namespace
}  // namespace p2p::server
