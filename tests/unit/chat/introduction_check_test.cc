#include "peer-client/chat/introduction_check.h"

#include <gtest/gtest.h>

#include "tests/unit/chat/link_samples.h"

namespace p2p::client {
namespace {

class IntroductionCheckTest : public ::testing::Test {
 protected:
  IntroductionCheckTest() { Sign(); }
  void Sign() {
    object_ = intro_.Serialize();
    signature_ = server_.Sign(object_);
  }
  absl::StatusOr<CheckedIntroduction> Check(uint8_t device, absl::string_view name) {
    return CheckIntroduction({.signed_object = object_,
                              .signature = signature_,
                              .introducer_key = server_.public_key(),
                              .device_key = SampleKey(device).public_key(),
                              .username = name,
                              .approval_until = {}});
  }
  crypto::SigningKey server_ = SampleKey(0x01);
  wire::Introduction intro_ = SampleIntroduction();
  Bytes object_;
  crypto::Signature signature_;
};

TEST_F(IntroductionCheckTest, EachPartyFindsItself) {
  EXPECT_EQ(Check(0x20, "alice")->role, LinkRole::kRequester);
  EXPECT_EQ(Check(0x80, "bob")->role, LinkRole::kTarget);
  EXPECT_EQ(Check(0x80, "BOB")->role, LinkRole::kTarget);
}

TEST_F(IntroductionCheckTest, NameAndKeyMustBelongTogether) {
  EXPECT_FALSE(Check(0x20, "bob").ok());
  EXPECT_FALSE(Check(0x80, "alice").ok());
  EXPECT_FALSE(Check(0x55, "alice").ok());
  EXPECT_FALSE(Check(0x20, "carol").ok());
}

TEST_F(IntroductionCheckTest, EveryAlteredBitIsRefused) {
  for (size_t bit = 0; bit < object_.size() * 8; ++bit) {
    object_[bit / 8] = static_cast<uint8_t>(object_[bit / 8] ^ (1u << (bit % 8)));
    ASSERT_FALSE(Check(0x20, "alice").ok()) << bit;
    object_[bit / 8] = static_cast<uint8_t>(object_[bit / 8] ^ (1u << (bit % 8)));
  }
  ASSERT_TRUE(Check(0x20, "alice").ok());
  signature_[0] ^= 1;
  EXPECT_FALSE(Check(0x20, "alice").ok());
}

TEST_F(IntroductionCheckTest, AnotherSignersIntroductionIsRefused) {
  signature_ = SampleKey(0x02).Sign(object_);
  EXPECT_EQ(Check(0x20, "alice").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(IntroductionCheckTest, APartyIsNotIntroducedToItself) {
  intro_.target.device_key = intro_.requester.device_key;
  Sign();
  EXPECT_FALSE(Check(0x20, "alice").ok());
  intro_ = SampleIntroduction();
  intro_.target.uid = intro_.requester.uid;
  Sign();
  EXPECT_FALSE(Check(0x20, "alice").ok());
}

TEST_F(IntroductionCheckTest, ANewerProtocolIsRefusedWithAnExplanation) {
  intro_.min_proto = wire::kPeerLinkVersion + 1;
  Sign();
  EXPECT_EQ(Check(0x20, "alice").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(IntroductionCheckTest, BothSidesMakeTheSameLinkAndOnlyForTheirOwnNonces) {
  NonceMemory alices, bobs, none;
  alices.Add(intro_.requester.nonce, WallFromMs(1));
  bobs.Add(intro_.target.nonce, WallFromMs(1));
  const auto alice = MakeLinkRecord(*Check(0x20, "alice"), alices, WallFromMs(5));
  const auto bob = MakeLinkRecord(*Check(0x80, "bob"), bobs, WallFromMs(5));
  ASSERT_TRUE(alice.ok() && bob.ok());
  EXPECT_EQ(HexEncode(alice->secret.view()), HexEncode(bob->secret.view()));
  EXPECT_TRUE(alice->we_requested && alice->we_control);
  EXPECT_FALSE(bob->we_requested || bob->we_control);
  EXPECT_EQ(alice->peer.name, "bob");
  EXPECT_EQ(alice->peer.nonce, wire::IntroNonce{});
  EXPECT_FALSE(MakeLinkRecord(*Check(0x20, "alice"), none, WallFromMs(5)).ok());
  EXPECT_FALSE(MakeLinkRecord(*Check(0x20, "alice"), bobs, WallFromMs(5)).ok());
}

TEST_F(IntroductionCheckTest, TheControllerIsWhoTheServerSays) {
  intro_.controller = wire::LinkController::kTarget;
  Sign();
  NonceMemory bobs;
  bobs.Add(intro_.target.nonce, WallFromMs(1));
  const auto bob = MakeLinkRecord(*Check(0x80, "bob"), bobs, WallFromMs(5));
  EXPECT_TRUE(bob->we_control);
  EXPECT_FALSE(bob->we_requested);
}

TEST(NonceMemoryTest, OutlivesARestartForAQuarterOfAnHour) {
  const WallTime given = WallFromMs(1'000'000'000'000);
  NonceMemory memory;
  memory.Add({1}, given);
  memory.Add({2}, given + NonceMemory::kKept, Duration(30min));
  const Bytes saved = memory.Serialize();
  const NonceMemory soon = NonceMemory::Parse(saved, given + NonceMemory::kKept);
  EXPECT_EQ(soon.Limit({1}), Duration::zero());
  EXPECT_EQ(soon.Limit({2}), Duration(30min));
  const NonceMemory later = NonceMemory::Parse(saved, given + NonceMemory::kKept + 1ms);
  EXPECT_FALSE(later.Limit({1}));
  EXPECT_TRUE(later.Limit({2}));
  for (size_t cut = 1; cut < saved.size(); ++cut) {
    if (cut % 32 == 0) continue;
    EXPECT_FALSE(NonceMemory::Parse(ByteView(saved).first(cut), given).Limit({1})) << cut;
  }
}

TEST(NonceMemoryTest, KeepsTheNewest) {
  NonceMemory memory;
  for (size_t i = 0; i <= NonceMemory::kMax; ++i) {
    wire::IntroNonce nonce{};
    nonce[0] = static_cast<uint8_t>(i);
    nonce[1] = static_cast<uint8_t>(i >> 8);
    memory.Add(nonce, WallFromMs(1));
  }
  EXPECT_FALSE(memory.Limit({0, 0}));
  EXPECT_TRUE(memory.Limit({1, 0}));
  memory.Remove({1, 0});
  EXPECT_FALSE(memory.Limit({1, 0}));
}

}  // namespace
}  // namespace p2p::client
