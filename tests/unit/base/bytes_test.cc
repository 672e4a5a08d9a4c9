#include "common/base/bytes.h"

#include <gtest/gtest.h>

#include "common/base/id.h"
#include "common/base/random.h"

namespace p2p {
namespace {

TEST(ByteReaderTest, ReadsWhatTheWriterWrote) {
  ByteWriter out;
  out.U8(1).U16(0x0203).U32(0x04050607).U64(0x08090a0b0c0d0e0f).Append("xyz");
  ByteReader in(out.bytes());
  EXPECT_EQ(in.U8(), 1);
  EXPECT_EQ(in.U16(), 0x0203);
  EXPECT_EQ(in.U32(), 0x04050607u);
  EXPECT_EQ(in.U64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ(AsText(in.Take(3)), "xyz");
  EXPECT_TRUE(in.done());
}

TEST(ByteReaderTest, FailureIsSticky) {
  const Bytes two = {1, 2};
  ByteReader in(two);
  EXPECT_EQ(in.U32(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.U8(), 0);
  EXPECT_FALSE(in.done());
}

TEST(ByteReaderTest, LeftOversAreNotDone) {
  const Bytes two = {1, 2};
  ByteReader in(two);
  in.U8();
  EXPECT_TRUE(in.ok());
  EXPECT_FALSE(in.done());
}

TEST(EncodingTest, HexAndBase64RefuseWhatTheyDidNotMake) {
  EXPECT_EQ(HexDecode("00fF"), (Bytes{0x00, 0xff}));
  EXPECT_EQ(HexDecode("0"), std::nullopt);
  EXPECT_EQ(HexDecode("0g"), std::nullopt);
  const Bytes raw = {0xfb, 0xff, 0xfe};
  EXPECT_EQ(Base64UrlEncode(raw), "-__-");
  EXPECT_EQ(Base64UrlDecode("-__-"), raw);
  EXPECT_EQ(Base64UrlDecode("-_ _-"), std::nullopt);
  EXPECT_EQ(Base64UrlDecode("_w"), Bytes{0xff});
  EXPECT_EQ(Base64UrlDecode("_x"), std::nullopt);  // The same byte and four bits more.
  EXPECT_EQ(Base64EncodeUnpadded(Bytes{1}), "AQ");
}

TEST(IdTest, RoundTripsThroughHexAndRefusesOtherSizes) {
  SeededRandom random(7);
  const auto id = random.NewId<BroadcastId>();
  EXPECT_EQ(BroadcastId::FromHex(id.Hex()), id);
  EXPECT_EQ(BroadcastId::FromHex("00"), std::nullopt);
  EXPECT_FALSE(id.is_zero());
}

}  // namespace
}  // namespace p2p
