#include "common/wire/broadcast_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"

namespace p2p::wire {
namespace {

using ::testing::HasSubstr;

BroadcastObject Sample() {
  BroadcastObject object;
  object.id.bytes.fill(0x11);
  object.sender.bytes.fill(0x22);
  object.sender_name = "alice";
  object.sent_at = WallFromMs(1'700'000'000'000);
  object.expires_at = object.sent_at + 30min;
  object.text_digest.fill(0x33);
  return object;
}

BroadcastObject Anonymous() {
  BroadcastObject object = Sample();
  object.sender = UserId{};
  object.sender_name.clear();
  return object;
}

constexpr size_t kNameLengthAt = 12 + 16 + 16;

TEST(BroadcastObjectTest, GoldenVector) {
  EXPECT_EQ(HexEncode(Sample().Serialize()),
            "7032702d62636173742d7631"          // "p2p-bcast-v1"
            "11111111111111111111111111111111"  // id
            "22222222222222222222222222222222"  // sender
            "05616c696365"                      // "alice"
            "0000018bcfe56800"                  // 1700000000000
            "0000018bd000df40"                  // + 1800000
            "00"
            "3333333333333333333333333333333333333333333333333333333333333333");
}

TEST(BroadcastObjectTest, RoundTrip) {
  for (const BroadcastObject& object : {Sample(), Anonymous()}) {
    const auto parsed = BroadcastObject::Parse(object.Serialize());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, object);
  }
}

TEST(BroadcastObjectTest, SizesAreTheStatedOnes) {
  EXPECT_EQ(Anonymous().Serialize().size(), kMinBroadcastObject);
  BroadcastObject longest = Sample();
  longest.sender_name.assign(kMaxUsername, 'a');
  EXPECT_EQ(longest.Serialize().size(), kMaxBroadcastObject);
}

TEST(BroadcastObjectTest, ShortAndTrailingBytesAreRefused) {
  Bytes bytes = Sample().Serialize();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(BroadcastObject::Parse(ByteView(bytes).first(n))) << n;
  }
  bytes.push_back(0);
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
}

TEST(BroadcastObjectTest, FieldsOutsideTheirLimitsAreRefused) {
  const Bytes good = Sample().Serialize();
  const size_t flags_at = good.size() - 33;
  Bytes bytes = good;
  bytes[0] ^= 1;  // Another magic.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
  bytes = good;
  bytes[flags_at] = 1;  // Withheld, but there.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
  bytes = good;
  bytes[flags_at] = 2;  // A bit nobody defined.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
  bytes = good;
  for (size_t i = 0; i < 16; ++i) bytes[flags_at - 16 + i] = 0xFF;  // Times beyond any calendar.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
  bytes = good;
  bytes[flags_at - 1] ^= 1;  // expires_at one millisecond later: more than 30 minutes.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
  bytes = good;
  std::copy_n(bytes.begin() + static_cast<long>(flags_at) - 16, 8,
              bytes.begin() + static_cast<long>(flags_at) - 8);  // expires_at == sent_at.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
}

TEST(BroadcastObjectTest, NameLongerThanAUsernameIsRefused) {
  ByteWriter out;
  const Bytes good = Sample().Serialize();
  const ByteView view(good);
  out.Append(view.first(kNameLengthAt)).U8(kMaxUsername + 1);
  out.Append(std::string(kMaxUsername + 1, 'a')).Append(view.subspan(kNameLengthAt + 1 + 5));
  EXPECT_FALSE(BroadcastObject::Parse(out.bytes()));
}

TEST(BroadcastObjectTest, SenderAndNameAreWithheldTogether) {
  const Bytes good = Sample().Serialize();
  Bytes bytes = good;
  std::fill_n(bytes.begin() + 12 + 16, 16, uint8_t{0});  // A name without an id.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
  bytes = Anonymous().Serialize();
  bytes[12 + 16] = 1;  // An id without a name.
  EXPECT_FALSE(BroadcastObject::Parse(bytes));
}

TEST(BroadcastObjectTest, RandomBytesNeverCrashAndWhatParsesSerializesToItself) {
  SeededRandom random(3);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = (i % 2 == 0 ? Sample() : Anonymous()).Serialize();
    const size_t flips = 1 + random.Below(3);
    for (size_t f = 0; f < flips; ++f) {
      bytes[random.Below(bytes.size())] ^= static_cast<uint8_t>(1 << random.Below(8));
    }
    const auto parsed = BroadcastObject::Parse(bytes);
    if (parsed) {
      EXPECT_EQ(parsed->Serialize(), bytes);
    }
  }
}

TEST(BroadcastObjectTest, ToStringRendersTheNameSafely) {
  BroadcastObject object = Sample();
  object.sender_name = "a\x1b[31m";
  EXPECT_EQ(object.ToString().find('\x1b'), std::string::npos);
  EXPECT_THAT(Anonymous().ToString(), HasSubstr("(withheld)"));
}

}  // namespace
}  // namespace p2p::wire
