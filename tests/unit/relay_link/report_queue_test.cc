#include "udp-relay/link/report_queue.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "udp-relay/link/backoff.h"

namespace p2p::relay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ConnId kAnn{{1}};
const BroadcastId kNews{{2}};

TEST(ReportQueueTest, WakesOnceUntilItWasEmptied) {
  int wakes = 0;
  ReportQueue queue([&] { ++wakes; });
  queue.OnReachable(kAnn, true);
  queue.OnDelivered(kAnn, kNews);
  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(queue.Take(10), ElementsAre(Report(ReachableReport{kAnn, true}),
                                          Report(DeliveredReport{kAnn, kNews})));
  queue.OnDelivered(kAnn, kNews);
  EXPECT_EQ(wakes, 2);
}

TEST(ReportQueueTest, ALostLinkMakesStatesStaleButNotDeliveries) {
  ReportQueue queue([] {});
  queue.OnReachable(kAnn, true);
  queue.OnDelivered(kAnn, kNews);
  queue.OnReachable(kAnn, false);
  queue.DropReachable();
  EXPECT_THAT(queue.Take(10), ElementsAre(Report(DeliveredReport{kAnn, kNews})));
}

TEST(ReportQueueTest, BeyondItsBoundReportsAreCountedAndDropped) {
  ReportQueue queue([] {}, 2);
  for (int i = 0; i < 5; ++i) queue.OnDelivered(kAnn, kNews);
  EXPECT_EQ(queue.counters().Get(ReportCount::kDropped), 3u);
  EXPECT_EQ(queue.Take(10).size(), 2u);
  EXPECT_TRUE(queue.empty());
}

TEST(ReportQueueTest, ARestartWakesAndIsToldOnce) {
  int wakes = 0;
  ReportQueue queue([&] { ++wakes; });
  EXPECT_FALSE(queue.TakeRestarted());
  queue.OnRelayRestarted();
  EXPECT_EQ(wakes, 1);
  EXPECT_TRUE(queue.TakeRestarted());
  EXPECT_FALSE(queue.TakeRestarted());
}

TEST(ReportQueueTest, AWriterAndAReaderLoseNothing) {
  std::atomic<int> wakes = 0;
  ReportQueue queue([&] { ++wakes; });
  constexpr size_t kReports = 20'000;
  std::thread writer([&] {
    for (size_t i = 0; i < kReports; ++i) queue.OnDelivered(kAnn, kNews);
  });
  size_t taken = 0;
  while (taken < kReports) taken += queue.Take(1000).size();
  writer.join();
  EXPECT_TRUE(queue.empty());
  EXPECT_GE(wakes, 1);
}

TEST(BackoffTest, GrowsToItsLimitAndStartsAnew) {
  SeededRandom random(7);
  Backoff backoff(1s, 30s);
  for (const Duration whole : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    const Duration wait = backoff.Next(random);
    EXPECT_GE(wait, whole / 2);
    EXPECT_LE(wait, whole);
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(random), 1s);
}

}  // namespace
}  // namespace p2p::relay
