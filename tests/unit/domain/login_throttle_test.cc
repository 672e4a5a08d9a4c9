#include "control-server/domain/login_throttle.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace p2p::server {
namespace {

class LoginThrottleTest : public ::testing::Test {
 protected:
  // A wrong password, when it is let through.
  bool Guess(absl::string_view name = "alice") {
    if (throttle_.Wait(name, now_) > Duration::zero()) return false;
    throttle_.Begin(name, now_);
    throttle_.Failed(name, now_);
    return true;
  }
  Duration Wait(absl::string_view name = "alice") const { return throttle_.Wait(name, now_); }

  MonoTime now_{1h};
  LoginThrottle throttle_{100};
};

TEST_F(LoginThrottleTest, TheTenthFailureBringsAPauseThatDoublesUpToFifteenMinutes) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Guess()) << i;
  for (const Duration pause : {30s, 60s, 120s, 240s, 480s, 900s, 900s}) {
    EXPECT_FALSE(Guess());
    EXPECT_EQ(Wait(), pause);
    now_ += pause - 1ms;
    EXPECT_FALSE(Guess());
    now_ += 1ms;
    EXPECT_TRUE(Guess());
  }
}

TEST_F(LoginThrottleTest, ARightPasswordForgetsTheFailures) {
  for (int i = 0; i < 9; ++i) Guess();
  throttle_.Begin("alice", now_);
  throttle_.Succeeded("alice");
  EXPECT_EQ(throttle_.size(), 0u);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Guess()) << i;
}

TEST_F(LoginThrottleTest, AccountsAreApart) {
  for (int i = 0; i < 10; ++i) Guess();
  EXPECT_GT(Wait(), Duration::zero());
  EXPECT_TRUE(Guess("bob"));
}

TEST_F(LoginThrottleTest, GuessesUnderWayCountAsIfTheyHadFailed) {
  for (int i = 0; i < 7; ++i) Guess();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(Wait(), Duration::zero());
    throttle_.Begin("alice", now_);
  }
  EXPECT_EQ(Wait(), 1s);
  throttle_.Undecided("alice");
  EXPECT_EQ(Wait(), Duration::zero());
  throttle_.Failed("alice", now_);
  throttle_.Failed("alice", now_);
  EXPECT_TRUE(Guess());  // The tenth.
  EXPECT_EQ(Wait(), 30s);
}

TEST_F(LoginThrottleTest, ManyAtOnceWithTheRightPasswordGetInTenAtATime) {
  for (int i = 0; i < 10; ++i) throttle_.Begin("alice", now_);
  EXPECT_EQ(Wait(), 1s);
  for (int i = 0; i < 10; ++i) throttle_.Succeeded("alice");
  EXPECT_EQ(Wait(), Duration::zero());
  EXPECT_EQ(throttle_.size(), 0u);
}

TEST_F(LoginThrottleTest, AfterAPauseOneGuessRunsAtATime) {
  for (int i = 0; i < 10; ++i) Guess();
  now_ += 30s;
  throttle_.Begin("alice", now_);
  EXPECT_EQ(Wait(), 1s);
}

TEST_F(LoginThrottleTest, FailuresAreForgottenAfterHalfAnHourOfQuiet) {
  for (int i = 0; i < 9; ++i) Guess();
  now_ += 30min;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Guess()) << i;
  EXPECT_FALSE(Guess());
}

TEST_F(LoginThrottleTest, TheTableIsBoundedAndForgetsTheOldest) {
  for (int i = 0; i < 10; ++i) Guess("alice");
  now_ += 1s;
  for (int i = 0; i < 99; ++i) Guess(absl::StrCat("user", i));
  EXPECT_GT(Wait("alice"), Duration::zero());
  Guess("one-more");
  EXPECT_EQ(throttle_.size(), 100u);
  EXPECT_EQ(throttle_.evicted(), 1u);
  EXPECT_EQ(Wait("alice"), Duration::zero());
  throttle_.Failed("alice", now_);  // Of a guess that was under way: not there any more.
  EXPECT_EQ(throttle_.size(), 100u);
}

}  // namespace
}  // namespace p2p::server
