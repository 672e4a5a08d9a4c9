#include "control-server/relay_link/link_outbox.h"

#include <gmock/gmock.h>

namespace p2p::server {
namespace {

// Plays gRPC: writes complete when the test says so.
class FakeDriver final : public LinkDriver {
 public:
  void WriteOrders(const v1::RelayOrders& orders) override { written.push_back(orders); }
  void ReadReports() override { ++reads; }
  void FinishLink(const grpc::Status& status) override { finished.push_back(status); }

  std::vector<v1::RelayOrders> written;
  int reads = 0;
  std::vector<grpc::Status> finished;
};

class LinkOutboxTest : public ::testing::Test {
 protected:
  static relay::RemoveSessionOrder Order(uint8_t n) { return {ConnId{{n}}}; }
  static std::vector<int> Numbers(const v1::RelayOrders& message) {
    std::vector<int> out;
    for (const auto& order : message.orders()) {
      out.push_back(static_cast<uint8_t>(order.remove_session().conn_id()[0]));
    }
    return out;
  }

  ManualClock clock_;
  FakeDriver driver_;
  LinkOutbox outbox_{driver_, clock_, /*max_bytes=*/4 * sizeof(LinkOrder)};
};

using ::testing::ElementsAre;

TEST_F(LinkOutboxTest, WhatComesDuringAWriteGoesTogetherInTheNext) {
  for (uint8_t n = 1; n <= 4; ++n) EXPECT_TRUE(outbox_.Push(Order(n)));
  ASSERT_EQ(driver_.written.size(), 1u);
  EXPECT_THAT(Numbers(driver_.written[0]), ElementsAre(1));
  outbox_.OnWritten(true);
  ASSERT_EQ(driver_.written.size(), 2u);
  EXPECT_THAT(Numbers(driver_.written[1]), ElementsAre(2, 3, 4));
  outbox_.OnWritten(true);
  EXPECT_EQ(driver_.written.size(), 2u);
  EXPECT_EQ(outbox_.WritingSince(), std::nullopt);
}

TEST_F(LinkOutboxTest, AMessageEndsBeforeItIsTooLarge) {
  LinkOutbox outbox(driver_, clock_);
  auto broadcast = std::make_shared<relay::SignedBroadcast>();
  broadcast->text = std::string(60 * 1024, 'x');
  for (int i = 0; i < 20; ++i) {
    outbox.Push(relay::AddBroadcastOrder{broadcast, clock_.Mono() + 1min});
  }
  for (size_t n = 0; n < driver_.written.size(); ++n) {
    EXPECT_LE(driver_.written[n].ByteSizeLong(), LinkOutbox::kMessageBytes + 64 * 1024);
    outbox.OnWritten(true);
  }
  int orders = 0;
  for (const auto& message : driver_.written) orders += message.orders_size();
  EXPECT_EQ(orders, 20);
}

TEST_F(LinkOutboxTest, AHundredFanOutsToTenThousandSessionsWaitForARelayThatReadsSlowly) {
  LinkOutbox outbox(driver_, clock_);
  std::vector<ConnId> everybody(10'000);
  for (size_t i = 0; i < everybody.size(); ++i) {
    everybody[i].bytes[0] = static_cast<uint8_t>(i);
    everybody[i].bytes[1] = static_cast<uint8_t>(i >> 8);
  }
  for (uint8_t n = 0; n < 100; ++n) {
    ASSERT_TRUE(outbox.Push(relay::QueueForAllOrder{everybody, BroadcastId{{n}}}));
  }
  size_t orders = 0;
  for (size_t n = 0; n < driver_.written.size(); ++n) {
    ASSERT_LE(driver_.written[n].ByteSizeLong(), size_t{1} << 20);
    for (const auto& order : driver_.written[n].orders()) {
      ASSERT_EQ(order.queue().conn_id(), ToString(everybody[orders % everybody.size()].view()));
      ASSERT_EQ(static_cast<uint8_t>(order.queue().broadcast_id()[0]), orders / everybody.size());
      ++orders;
    }
    driver_.written[n].Clear();
    outbox.OnWritten(true);
  }
  EXPECT_EQ(orders, 1'000'000u);
  EXPECT_FALSE(outbox.overflowed());
  // What was written makes room again.
  for (uint8_t n = 0; n < 100; ++n) {
    ASSERT_TRUE(outbox.Push(relay::QueueForAllOrder{everybody, BroadcastId{{n}}}));
  }
}

TEST_F(LinkOutboxTest, NothingIsSaidOfAFanOutToNobody) {
  outbox_.Push(relay::QueueForAllOrder{{}, BroadcastId{{1}}});
  EXPECT_TRUE(driver_.written.empty());
  outbox_.Push(Order(1));
  ASSERT_EQ(driver_.written.size(), 1u);
  EXPECT_THAT(Numbers(driver_.written[0]), ElementsAre(1));
}

TEST_F(LinkOutboxTest, ABroadcastThatExpiredInTheQueueIsLeftOut) {
  outbox_.Push(Order(1));
  outbox_.Push(
      relay::AddBroadcastOrder{std::make_shared<relay::SignedBroadcast>(), clock_.Mono() + 1s});
  clock_.Advance(1s);
  outbox_.OnWritten(true);
  EXPECT_EQ(driver_.written.size(), 1u);
  EXPECT_TRUE(outbox_.Push(Order(2)));  // The way is free.
  EXPECT_EQ(driver_.written.size(), 2u);
}

TEST_F(LinkOutboxTest, TooMuchEndsTheLinkAfterTheWriteInFlight) {
  EXPECT_TRUE(outbox_.Push(Order(0)));
  for (uint8_t n = 1; n <= 4; ++n) EXPECT_TRUE(outbox_.Push(Order(n)));
  EXPECT_FALSE(outbox_.Push(Order(5)));
  EXPECT_TRUE(outbox_.overflowed());
  EXPECT_FALSE(outbox_.Push(Order(6)));
  EXPECT_TRUE(driver_.finished.empty());
  outbox_.OnWritten(true);
  ASSERT_EQ(driver_.finished.size(), 1u);
  EXPECT_EQ(driver_.finished[0].error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(driver_.written.size(), 1u);
}

TEST_F(LinkOutboxTest, TheFirstEndCountsAndNothingFollowsIt) {
  outbox_.End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "first"));
  outbox_.End(grpc::Status::OK);
  outbox_.Read();
  EXPECT_FALSE(outbox_.Push(Order(1)));
  ASSERT_EQ(driver_.finished.size(), 1u);
  EXPECT_EQ(driver_.finished[0].error_message(), "first");
  EXPECT_EQ(driver_.reads, 0);
}

TEST_F(LinkOutboxTest, AStuckWriteShowsSinceWhen) {
  const MonoTime began = clock_.Mono();
  outbox_.Push(Order(1));
  clock_.Advance(7s);
  EXPECT_EQ(outbox_.WritingSince(), began);
  outbox_.OnWritten(false);  // Broken.
  ASSERT_EQ(driver_.finished.size(), 1u);
}

}  // namespace
}  // namespace p2p::server
