#include "control-server/domain/penalty.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

class PenaltyTest : public ::testing::Test {
 protected:
  // The cool-down that an offence at this moment brings.
  Duration Offend() {
    const auto penalty = book_.Penalise(kAlice, Offence::kUnknownName, kWall, now_);
    EXPECT_EQ(penalty.end - penalty.start, penalty.until - now_);
    return penalty.until - now_;
  }
  PenaltyBook book_{config::Timing{}};
  MonoTime now_ = kStart;
};

TEST_F(PenaltyTest, TheFirstTwoEndTheSessionOnly) {
  EXPECT_EQ(Offend(), 0s);
  EXPECT_FALSE(book_.CooldownOf(kAlice, now_).has_value());
  EXPECT_EQ(Offend(), 0s);
  EXPECT_FALSE(book_.CooldownOf(kAlice, now_).has_value());
}

TEST_F(PenaltyTest, TheThirdWithinTenMinutesBringsAMinute) {
  Offend();
  now_ += 5min;
  Offend();
  now_ += 5min - 1ms;
  EXPECT_EQ(Offend(), 60s);
  const auto cooldown = book_.CooldownOf(kAlice, now_ + 59s);
  ASSERT_TRUE(cooldown.has_value());
  EXPECT_EQ(cooldown->reason, Describe(Offence::kUnknownName));
  EXPECT_EQ(cooldown->end - cooldown->start, 60s);
  EXPECT_NE(cooldown->next_step.find("Wait until"), std::string::npos);
  EXPECT_FALSE(book_.CooldownOf(kAlice, now_ + 60s).has_value());
  EXPECT_FALSE(book_.CooldownOf(kBob, now_).has_value());
}

TEST_F(PenaltyTest, ThreeThatAreFarApartBringNothing) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Offend(), 0s);
    now_ += 5min;
    if (i % 2 == 1) now_ += 1ms;
  }
}

TEST_F(PenaltyTest, CooldownsDoubleUpToFifteenMinutes) {
  Offend();
  Offend();
  for (const Duration expected : {60s, 120s, 240s, 480s, 900s, 900s}) {
    const Duration got = Offend();
    EXPECT_EQ(got, expected);
    now_ += got;  // Sitting a cool-down out does not make it forgotten.
  }
}

TEST_F(PenaltyTest, TenQuietMinutesAfterTheCooldownForgive) {
  Offend();
  Offend();
  now_ += Offend();
  now_ += 10min;
  EXPECT_EQ(Offend(), 0s);
  EXPECT_EQ(Offend(), 0s);
  EXPECT_EQ(Offend(), 60s);
}

TEST_F(PenaltyTest, TheBookForgetsWhatNoLongerCounts) {
  Offend();
  book_.Forget(now_ + 10min - 1ms);
  EXPECT_EQ(book_.size(), 1u);
  book_.Forget(now_ + 10min);
  EXPECT_EQ(book_.size(), 0u);
}

// Another life of the process: its monotonic clock has nothing to do with the old one.
class PenaltyRestartTest : public PenaltyTest {
 protected:
  void Restart(WallTime wall) {
    const auto record = book_.RecordOf(kAlice, kWall, now_);
    ASSERT_TRUE(record.has_value());
    std::destroy_at(&book_);  // A book cannot be assigned.
    std::construct_at(&book_, config::Timing{});
    now_ = MonoTime(Duration(7h));
    book_.Load(*record, wall, now_);
  }
};

TEST_F(PenaltyRestartTest, ACooldownGoesOnAndTheNextOneIsLonger) {
  Offend();
  Offend();
  Offend();
  Restart(kWall + 20s);
  const auto cooldown = book_.CooldownOf(kAlice, now_);
  ASSERT_TRUE(cooldown.has_value());
  EXPECT_EQ(cooldown->start, kWall);
  EXPECT_EQ(cooldown->end, kWall + 60s);
  EXPECT_EQ(cooldown->next_step, NextStep(kWall, kWall + 60s));
  EXPECT_TRUE(book_.CooldownOf(kAlice, now_ + 40s - 1ms).has_value());
  EXPECT_FALSE(book_.CooldownOf(kAlice, now_ + 40s).has_value());
  now_ += 40s;
  EXPECT_EQ(Offend(), 120s);
}

TEST_F(PenaltyRestartTest, StrikesStillCount) {
  Offend();
  Offend();
  Restart(kWall + 1min);
  EXPECT_EQ(Offend(), 60s);
}

TEST_F(PenaltyRestartTest, WhatIsTooOldIsForgotten) {
  Offend();
  Restart(kWall + 10min);
  EXPECT_THAT(book_.Forget(now_), ::testing::ElementsAre(kAlice));
}

TEST_F(PenaltyRestartTest, AWallClockThatWentBackMakesNoCooldownLongerThanTheMaximum) {
  Offend();
  Offend();
  Offend();
  Restart(kWall - std::chrono::hours(24 * 365));
  EXPECT_TRUE(book_.CooldownOf(kAlice, now_).has_value());
  EXPECT_FALSE(book_.CooldownOf(kAlice, now_ + 15min).has_value());
}

TEST_F(PenaltyTest, ALiftedPenaltyIsForgottenWhole) {
  Offend();
  Offend();
  Offend();
  EXPECT_TRUE(book_.Lift(kAlice));
  EXPECT_FALSE(book_.CooldownOf(kAlice, now_).has_value());
  EXPECT_EQ(Offend(), 0s);
  EXPECT_FALSE(book_.Lift(kBob));
}

}  // namespace
}  // namespace p2p::server
