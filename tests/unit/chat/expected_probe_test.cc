#include "peer-client/chat/expected_probe.h"

#include <gtest/gtest.h>

namespace p2p::client {
namespace {

constexpr MonoTime kNow{1h};
const crypto::InboundChallenge kChallenge{1, 2, 3};
const crypto::InboundProbe kProbe = crypto::MakeInboundProbe(kChallenge, {9});

TEST(ExpectedProbeTest, TheServersIsAnsweredOnce) {
  ExpectedProbe expected;
  EXPECT_FALSE(expected.Answer(kProbe, kNow));  // Nobody was announced.
  expected.Expect(kChallenge, kNow);
  const auto answer = expected.Answer(kProbe, kNow + 29s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, crypto::InboundAnswer(kChallenge, kProbe));
  EXPECT_FALSE(expected.Answer(kProbe, kNow + 29s));
}

TEST(ExpectedProbeTest, EveryAlteredBitIsAStranger) {
  ExpectedProbe expected;
  expected.Expect(kChallenge, kNow);
  for (size_t bit = 0; bit < kProbe.size() * 8; ++bit) {
    crypto::InboundProbe altered = kProbe;
    altered[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(expected.Answer(altered, kNow)) << bit;
  }
  EXPECT_TRUE(expected.Answer(kProbe, kNow));  // And spoils nothing.
}

TEST(ExpectedProbeTest, OnlyTheLastOneAndOnlyForAWhile) {
  ExpectedProbe expected;
  expected.Expect(crypto::InboundChallenge{7}, kNow);
  expected.Expect(kChallenge, kNow);
  EXPECT_FALSE(expected.Answer(crypto::MakeInboundProbe({7}, {9}), kNow));
  EXPECT_FALSE(expected.Answer(kProbe, kNow + ExpectedProbe::kLife));
  expected.Expect(Bytes(31, 1), kNow);  // Not a challenge.
  EXPECT_FALSE(expected.Answer(kProbe, kNow));
}

// The answer cannot be made of the probe: it shows that the challenge is known at the other end.
TEST(ExpectedProbeTest, ProbeAndAnswerAreTiedToTheirChallenge) {
  EXPECT_TRUE(crypto::InboundProbeMatches(kChallenge, kProbe));
  EXPECT_FALSE(crypto::InboundProbeMatches({1, 2, 4}, kProbe));
  EXPECT_NE(crypto::InboundAnswer(kChallenge, kProbe), crypto::InboundAnswer({1, 2, 4}, kProbe));
  EXPECT_NE(crypto::MakeInboundProbe(kChallenge, {8}), kProbe);
}

}  // namespace
}  // namespace p2p::client
