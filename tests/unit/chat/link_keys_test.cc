#include "peer-client/chat/link_keys.h"

#include <gtest/gtest.h>

#include "common/base/random.h"
#include "peer-client/chat/knock_guard.h"
#include "tests/unit/chat/link_samples.h"

namespace p2p::client {
namespace {

// Computed with Python's hmac and hashlib from the formulas of proto/PEER_LINK.md.
TEST(LinkKeysTest, GoldenVectors) {
  wire::Introduction intro = SampleIntroduction();
  intro.requester.device_key = Filled<32>(0x30);
  intro.target.device_key = Filled<32>(0x90);
  const LinkSecret link = DeriveLink(intro);
  EXPECT_EQ(HexEncode(link.view()),
            "2d3178dc0a68312a0d2d22da615b5317f69805b892692a675d9612832553bc1d");
  const KnockKey key = DeriveKnockKey(link);
  EXPECT_EQ(HexEncode(MakeKnock(key, intro.id, LinkRole::kRequester, Filled<16>(0xA0))),
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf41beac16b31a4f79f5e801412bb6973d");
  EXPECT_EQ(HexEncode(HelloMac(link.view(), Filled<32>(0xC0), LinkRole::kTarget)),
            "0f0fe79ba40d4cbf6c0ba5845a0ac0a068f2fe053515e21326f18c183137df16");
}

TEST(LinkKeysTest, EveryIngredientChangesTheLink) {
  const wire::Introduction base = SampleIntroduction();
  const std::string original = HexEncode(DeriveLink(base).view());
  const auto changed = [&](auto change) {
    wire::Introduction other = base;
    change(other);
    return HexEncode(DeriveLink(other).view()) != original;
  };
  EXPECT_TRUE(changed([](auto& i) { i.id.bytes[0] ^= 1; }));
  EXPECT_TRUE(changed([](auto& i) { i.requester.nonce[0] ^= 1; }));
  EXPECT_TRUE(changed([](auto& i) { i.target.nonce[15] ^= 1; }));
  EXPECT_TRUE(changed([](auto& i) { i.requester.device_key[0] ^= 1; }));
  EXPECT_TRUE(changed([](auto& i) { i.target.device_key[31] ^= 1; }));
  EXPECT_TRUE(changed([](auto& i) { std::swap(i.requester, i.target); }));
}

class KnockGuardTest : public ::testing::Test {
 protected:
  KnockBytes Knock(LinkRole dialler = LinkRole::kRequester) {
    return MakeKnock(DeriveKnockKey(link_), intro_.id, dialler, random_.Array<16>());
  }
  wire::Introduction intro_ = SampleIntroduction();
  LinkSecret link_ = DeriveLink(intro_);
  SeededRandom random_{11};
  KnockGuard guard_;  // The target's.
};

TEST_F(KnockGuardTest, TheDiallersKnockIsAcceptedOnce) {
  ASSERT_TRUE(guard_.Add(intro_.id, link_, LinkRole::kTarget));
  const KnockBytes knock = Knock();
  const auto first = guard_.Check(knock);
  EXPECT_EQ(first.verdict, KnockGuard::Verdict::kAccepted);
  EXPECT_EQ(first.link, intro_.id);
  EXPECT_EQ(guard_.Check(knock).verdict, KnockGuard::Verdict::kRepeated);
  EXPECT_EQ(guard_.Check(Knock()).verdict, KnockGuard::Verdict::kAccepted);
}

TEST_F(KnockGuardTest, OurOwnKnockSentBackIsWrong) {
  ASSERT_TRUE(guard_.Add(intro_.id, link_, LinkRole::kTarget));
  EXPECT_EQ(guard_.Check(Knock(LinkRole::kTarget)).verdict, KnockGuard::Verdict::kWrong);
}

TEST_F(KnockGuardTest, EveryFlippedBitIsWrong) {
  ASSERT_TRUE(guard_.Add(intro_.id, link_, LinkRole::kTarget));
  const KnockBytes good = Knock();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    KnockBytes bad = good;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_EQ(guard_.Check(bad).verdict, KnockGuard::Verdict::kWrong) << bit;
  }
}

TEST_F(KnockGuardTest, AHundredThousandRandomKnocksAreWrong) {
  ASSERT_TRUE(guard_.Add(intro_.id, link_, LinkRole::kTarget));
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(guard_.Check(random_.Array<wire::kKnockSize>()).verdict, KnockGuard::Verdict::kWrong);
  }
}

TEST_F(KnockGuardTest, KnocksOfRemovedAndUnknownLinksAreWrong) {
  EXPECT_EQ(guard_.Check(Knock()).verdict, KnockGuard::Verdict::kWrong);
  ASSERT_TRUE(guard_.Add(intro_.id, link_, LinkRole::kTarget));
  guard_.Remove(intro_.id);
  EXPECT_EQ(guard_.Check(Knock()).verdict, KnockGuard::Verdict::kWrong);
}

TEST_F(KnockGuardTest, LinksAndMemoryAreBounded) {
  ASSERT_TRUE(guard_.Add(intro_.id, link_, LinkRole::kTarget));
  for (size_t i = 1; i < wire::kMaxLiveLinks; ++i) {
    ASSERT_TRUE(guard_.Add(random_.NewId<RequestId>(), link_, LinkRole::kTarget));
  }
  EXPECT_FALSE(guard_.Add(random_.NewId<RequestId>(), link_, LinkRole::kTarget));
  const KnockBytes first = Knock();
  ASSERT_EQ(guard_.Check(first).verdict, KnockGuard::Verdict::kAccepted);
  for (size_t i = 0; i < wire::kKnockMemory - 1; ++i) guard_.Check(Knock());
  EXPECT_EQ(guard_.Check(first).verdict, KnockGuard::Verdict::kRepeated);
  guard_.Check(Knock());  // Pushes the oldest out.
  EXPECT_EQ(guard_.Check(first).verdict, KnockGuard::Verdict::kAccepted);
}

}  // namespace
}  // namespace p2p::client
