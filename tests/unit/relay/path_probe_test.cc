#include "udp-relay/core/path_probe.h"

#include <gtest/gtest.h>

namespace p2p::relay {
namespace {

constexpr Duration kPto = 100ms;
constexpr size_t kEnough = PathProbe::kChallengeDatagram;
const MonoTime kStart{1h};

class PathProbeTest : public ::testing::Test {
 protected:
  static Path At(uint16_t port) { return {{net::IpAddress::V4(0x0A000002), port}, {}}; }
  std::optional<wire::PathChallengeFrame> Other(uint16_t port, size_t bytes, Duration after = {}) {
    return probe_.OnOther(At(port), bytes, kPto, kStart + after, random_);
  }
  bool Answer(const wire::PathChallengeFrame& challenge, uint16_t port, Duration after = {}) {
    return probe_.OnResponse({challenge.token}, At(port), kStart + after);
  }
  SeededRandom random_{7};
  PathProbe probe_;
};

TEST_F(PathProbeTest, TheRightAnswerFromTheRightPlaceMoves) {
  const auto challenge = Other(1, kEnough);
  ASSERT_TRUE(challenge);
  wire::PathChallengeFrame wrong = *challenge;
  wrong.token[3] ^= 1;
  EXPECT_FALSE(Answer(wrong, 1));
  EXPECT_FALSE(Answer(*challenge, 2)) << "from elsewhere";
  EXPECT_TRUE(Answer(*challenge, 1));
  EXPECT_FALSE(Answer(*challenge, 1)) << "once";
}

TEST_F(PathProbeTest, ASourceGetsNoMoreThanItSent) {
  EXPECT_FALSE(Other(1, kEnough - 1));
  EXPECT_TRUE(Other(1, 1, 1ms));
  EXPECT_FALSE(Other(1, kEnough - 1, 200ms));
  EXPECT_TRUE(Other(1, 1, 201ms));
}

TEST_F(PathProbeTest, AChallengeIsRepeatedOnceAPtoAndIsTheSame) {
  const auto first = Other(1, 10 * kEnough);
  ASSERT_TRUE(first);
  EXPECT_FALSE(Other(1, kEnough, kPto - 1ms));
  const auto again = Other(1, kEnough, kPto);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->token, first->token);
}

TEST_F(PathProbeTest, AnotherSourceStartsAnewWithCreditOfItsOwn) {
  const auto first = Other(1, 10 * kEnough);
  EXPECT_FALSE(Other(2, kEnough - 1));
  const auto second = Other(2, 1);
  ASSERT_TRUE(second);
  EXPECT_NE(second->token, first->token);
  EXPECT_FALSE(Answer(*first, 1)) << "given up";
  EXPECT_TRUE(Answer(*second, 2));
}

TEST_F(PathProbeTest, AtMostOneMoveASecond) {
  ASSERT_TRUE(Answer(*Other(1, kEnough), 1));
  EXPECT_FALSE(Other(2, kEnough, 999ms));
  const auto challenge = Other(2, kEnough, 1s);
  ASSERT_TRUE(challenge);
  EXPECT_TRUE(Answer(*challenge, 2, 1s));
}

TEST_F(PathProbeTest, WhatTheProvedAddressSaysEndsTheProbe) {
  const auto challenge = Other(1, kEnough);
  probe_.Forget();
  EXPECT_FALSE(Answer(*challenge, 1));
}

}  // namespace
}  // namespace p2p::relay
