#include "control-server/domain/penalty.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace p2p::server
