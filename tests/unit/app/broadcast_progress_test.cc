#include "peer-client/app/broadcast_progress.h"

#include <gtest/gtest.h>

namespace p2p::client {
namespace {

class BroadcastProgressTest : public ::testing::Test {
 protected:
  std::optional<out::BroadcastProgress> Told(const std::string& id, uint32_t delivered,
                                             uint32_t due) {
    out::BroadcastStatus status;
    status.id = id;
    status.due = due;
    status.delivered = delivered;
    return progress_.OnStatus(status, now_);
  }
  MonoTime now_{1h};
  BroadcastProgress progress_;
};

TEST_F(BroadcastProgressTest, AsksSoonThenLessOftenAndTellsOnlyNews) {
  progress_.Follow("a", 30min, now_);
  EXPECT_EQ(progress_.TakeDue(now_), std::nullopt);
  EXPECT_EQ(progress_.NextDeadline(), now_ + 1s);
  now_ += 1s;
  EXPECT_EQ(progress_.TakeDue(now_), "a");
  EXPECT_EQ(progress_.TakeDue(now_), std::nullopt) << "once a turn";
  const auto news = Told("a", 48, 50);
  ASSERT_TRUE(news);
  EXPECT_EQ(news->delivered, 48u);
  EXPECT_EQ(news->left, 30min - 1s);
  now_ += 1s;
  EXPECT_EQ(progress_.TakeDue(now_), "a");
  EXPECT_FALSE(Told("a", 48, 50));
  EXPECT_EQ(progress_.NextDeadline(), now_ + 2s);
}

TEST_F(BroadcastProgressTest, OnceEverybodyHasItOnlyNewcomersAreNews) {
  progress_.Follow("a", 30min, now_);
  now_ += 1s;
  progress_.TakeDue(now_);
  EXPECT_TRUE(Told("a", 50, 50));
  EXPECT_EQ(progress_.NextDeadline(), now_ + 60s);
  now_ += 60s;
  progress_.TakeDue(now_);
  EXPECT_FALSE(Told("a", 50, 50));
  EXPECT_TRUE(Told("a", 51, 51));
}

TEST_F(BroadcastProgressTest, EndsWithTheBroadcastOrWhenItIsTakenBack) {
  progress_.Follow("a", 5s, now_);
  progress_.Follow("b", 30min, now_);
  out::BroadcastStatus revoked;
  revoked.id = "b";
  revoked.revoked = true;
  revoked.due = 3;
  EXPECT_FALSE(progress_.OnStatus(revoked, now_));
  now_ += 5s;
  EXPECT_EQ(progress_.TakeDue(now_), std::nullopt);
  EXPECT_EQ(progress_.NextDeadline(), std::nullopt);
}

TEST_F(BroadcastProgressTest, TheOldestOfManyIsLetGo) {
  for (int i = 0; i < 9; ++i) progress_.Follow(std::to_string(i), 30min, now_);
  EXPECT_FALSE(Told("0", 1, 2));
  EXPECT_TRUE(Told("1", 1, 2));
  EXPECT_TRUE(Told("8", 1, 2));
}

}  // namespace
}  // namespace p2p::client
