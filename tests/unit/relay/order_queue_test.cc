#include "udp-relay/io/order_queue.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace p2p::relay {
namespace {

bool Readable(const OrderQueue& queue) {
  pollfd p{.fd = queue.wake_fd(), .events = POLLIN, .revents = 0};
  return poll(&p, 1, 0) == 1;
}

TEST(OrderQueueTest, KeepsTheOrderOfOneCallerAndWakesTheReader) {
  auto queue = *OrderQueue::Create();
  EXPECT_FALSE(Readable(*queue));
  queue->Push(RemoveSessionOrder{ConnId{{1}}});
  queue->Push(QueueOrder{ConnId{{2}}, BroadcastId{}});
  EXPECT_TRUE(Readable(*queue));
  const auto batch = queue->TakeAll();
  ASSERT_EQ(batch.orders.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<RemoveSessionOrder>(batch.orders[0]));
  EXPECT_TRUE(std::holds_alternative<QueueOrder>(batch.orders[1]));
  EXPECT_FALSE(Readable(*queue));
}

TEST(OrderQueueTest, OverflowDropsAllAndSaysSoOnce) {
  auto queue = *OrderQueue::Create(2 * sizeof(Order));
  for (int i = 0; i < 5; ++i) queue->Push(RemoveBroadcastOrder{});
  auto batch = queue->TakeAll();
  EXPECT_TRUE(batch.overflowed);
  EXPECT_TRUE(batch.orders.empty());
  queue->Push(RemoveBroadcastOrder{});
  batch = queue->TakeAll();
  EXPECT_FALSE(batch.overflowed);
  EXPECT_EQ(batch.orders.size(), 1u);
}

TEST(OrderQueueTest, EveryFanOutThatOneAccountCanHaveWaitingToTenThousandSessionsFits) {
  auto queue = *OrderQueue::Create();
  const std::vector<ConnId> everybody(10'000);
  for (int i = 0; i < 1024; ++i) queue->Push(QueueForAllOrder{everybody, BroadcastId{}});
  const auto batch = queue->TakeAll();
  EXPECT_FALSE(batch.overflowed);
  EXPECT_EQ(batch.orders.size(), 1024u);
  // Not without bound, though.
  for (int i = 0; i < 2048; ++i) queue->Push(QueueForAllOrder{everybody, BroadcastId{}});
  EXPECT_TRUE(queue->TakeAll().overflowed);
}

TEST(OrderQueueTest, ManyWritersLoseNothing) {
  auto queue = *OrderQueue::Create();
  constexpr int kWriters = 4, kEach = 5000;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) queue->Push(RemoveBroadcastOrder{});
    });
  }
  size_t taken = 0;
  while (taken < kWriters * kEach) {
    pollfd p{.fd = queue->wake_fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&p, 1, 10'000), 1);
    taken += queue->TakeAll().orders.size();
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(taken, static_cast<size_t>(kWriters * kEach));
}

}  // namespace
}  // namespace p2p::relay
