#include "udp-relay/core/transmit_queue.h"

#include <gtest/gtest.h>

namespace p2p::relay {
namespace {

const MonoTime kNow{1h};

std::shared_ptr<StoredBroadcast> Stored(uint8_t n, size_t size) {
  auto out = std::make_shared<StoredBroadcast>();
  out->id.bytes[0] = n;
  out->payload = Bytes(size, n);
  out->fragments = static_cast<uint16_t>(wire::FragmentCount(size));
  return out;
}

// Sends everything due; returns the indexes in order.
std::vector<int> SendDue(TransmitQueue& queue, MonoTime now, uint64_t& packet_no) {
  std::vector<int> out;
  while (const auto due = queue.NextDue(now)) {
    out.push_back(due->index);
    queue.OnSent(*due, packet_no++, now, now + 100ms);
  }
  return out;
}

TEST(TransmitQueueTest, SelectiveAcksLeaveTheHolesOnly) {
  TransmitQueue queue;
  const auto b = Stored(1, 4 * wire::kFragmentBytes);
  uint64_t no = 1;
  ASSERT_EQ(queue.Queue(b, 10), TransmitQueue::Result::kQueued);
  EXPECT_EQ(queue.Queue(b, 10), TransmitQueue::Result::kAlready);
  EXPECT_EQ(SendDue(queue, kNow, no), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_FALSE(queue.NextDue(kNow + 99ms).has_value());
  const auto acked = queue.OnAck({b->id, 3, 5, 0b0101}, 1, kNow + 30ms);
  EXPECT_TRUE(acked.known);
  EXPECT_EQ(acked.rtt, 25ms) << "the peer's delay is not the path's";
  EXPECT_EQ(SendDue(queue, kNow + 100ms, no), (std::vector<int>{1, 3}));
}

TEST(TransmitQueueTest, OvertakenAcksTakeNothingBackButNewerOnesDo) {
  TransmitQueue queue;
  const auto b = Stored(1, 4 * wire::kFragmentBytes);
  uint64_t no = 1;
  queue.Queue(b, 10);
  SendDue(queue, kNow, no);
  queue.OnAck({b->id, 3, 0, 0b0111}, 8, kNow);
  queue.OnAck({b->id, 2, 0, 0b0011}, 7, kNow);
  EXPECT_EQ(SendDue(queue, kNow + 50ms, no), std::vector<int>{});
  queue.OnAck({b->id, 3, 0, 0b0100}, 9, kNow + 60ms);  // The client gave up the others.
  EXPECT_EQ(SendDue(queue, kNow + 60ms, no), (std::vector<int>{0, 1}));
}

TEST(TransmitQueueTest, OnlyDoneEndsABroadcast) {
  TransmitQueue queue;
  const auto b = Stored(1, 2 * wire::kFragmentBytes);
  uint64_t no = 1;
  queue.Queue(b, 10);
  SendDue(queue, kNow, no);
  queue.OnAck({b->id, 2, 0, 0b11}, 1, kNow);
  EXPECT_EQ(SendDue(queue, kNow + 100ms, no), std::vector<int>{1}) << "asks for the DONE again";
  EXPECT_TRUE(queue.OnDone({b->id, 2, 0}, kNow).known);
  EXPECT_FALSE(queue.OnDone({b->id, 2, 0}, kNow).known);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_FALSE(queue.NextDeadline().has_value());
}

TEST(TransmitQueueTest, NoMoreInFlightThanTheClientKeepsAndDeadOnesMakeRoom) {
  TransmitQueue queue;
  std::vector<std::shared_ptr<StoredBroadcast>> all;
  uint64_t no = 1;
  for (uint8_t i = 0; i < 10; ++i) {
    all.push_back(Stored(i, 100));
    queue.Queue(all.back(), 10);
  }
  EXPECT_EQ(queue.Queue(Stored(11, 100), 10), TransmitQueue::Result::kFull);
  EXPECT_EQ(SendDue(queue, kNow, no).size(), TransmitQueue::kMaxActive);
  all[0]->dead = true;
  all[9]->dead = true;
  EXPECT_EQ(SendDue(queue, kNow, no).size(), 1u) << "one place became free, the other one is dead";
}

TEST(TransmitQueueTest, HostileAcknowledgementsAreHarmless) {
  TransmitQueue queue;
  const auto b = Stored(1, 2 * wire::kFragmentBytes);
  uint64_t no = 1;
  EXPECT_FALSE(queue.OnAck({b->id, 1, 0, ~uint64_t{0}}, 1, kNow).known);
  queue.Queue(b, 10);
  SendDue(queue, kNow, no);
  const auto acked = queue.OnAck({b->id, 0, 0xFFFF, ~uint64_t{0}}, 1, kNow);
  EXPECT_FALSE(acked.rtt.has_value()) << "packet 0 was never sent";
  EXPECT_EQ(SendDue(queue, kNow + 100ms, no), std::vector<int>{1});
}

}  // namespace
}  // namespace p2p::relay
