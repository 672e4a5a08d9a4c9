#include "common/wire/frame_reader.h"

#include <gmock/gmock.h>

#include "common/base/random.h"

namespace p2p::wire {
namespace {

Bytes Frame(size_t size, uint8_t fill = 0xAB) {
  Bytes out;
  AppendFrame(Bytes(size, fill), out);
  return out;
}

TEST(FrameReaderTest, GoldenBytes) {
  Bytes out;
  AppendFrame(Bytes{1, 2, 3}, out);
  EXPECT_EQ(HexEncode(out), "00000003010203");
}

TEST(FrameReaderTest, FramesCutAtAnyPlaceComeOutWhole) {
  Bytes stream;
  for (const size_t size : {1, 300, 7, 4096}) {
    AppendFrame(Bytes(size, static_cast<uint8_t>(size)), stream);
  }
  for (size_t piece = 1; piece < 600; piece += 7) {
    FrameReader reader(kMaxFrameSize);
    std::vector<size_t> sizes;
    for (size_t at = 0; at < stream.size(); at += piece) {
      reader.Feed(ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      while (const auto frame = reader.Next()) {
        sizes.push_back(frame->size());
        EXPECT_EQ((*frame)[0], static_cast<uint8_t>(frame->size()));
      }
    }
    EXPECT_THAT(sizes, ::testing::ElementsAre(1, 300, 7, 4096)) << piece;
    EXPECT_EQ(reader.buffered(), 0u);
  }
}

TEST(FrameReaderTest, ALengthAboveTheLimitIsRefusedAtItsFourthByte) {
  FrameReader reader(kMaxHelloFrameSize);
  reader.Feed(ByteWriter().U32(kMaxHelloFrameSize + 1).bytes());
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.failed());
  reader.Feed(Frame(3));
  EXPECT_FALSE(reader.Next());
  EXPECT_LE(reader.buffered(), kPeerFrameHeaderSize);  // Nothing is kept after a failure.
}

TEST(FrameReaderTest, TheLimitItselfPassesAndZeroDoesNot) {
  FrameReader reader(kMaxFrameSize);
  reader.Feed(Frame(kMaxFrameSize));
  ASSERT_TRUE(reader.Next());
  reader.Feed(ByteWriter().U32(0).bytes());
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.failed());
}

TEST(FrameReaderTest, TheLimitMayGrowBetweenFrames) {
  FrameReader reader(4);
  Bytes stream = Frame(4);
  const Bytes large = Frame(1000);
  stream.insert(stream.end(), large.begin(), large.end());
  reader.Feed(stream);
  ASSERT_TRUE(reader.Next());
  reader.set_max_frame(1000);
  ASSERT_TRUE(reader.Next());
  EXPECT_FALSE(reader.failed());
}

TEST(FrameReaderTest, RandomStreamsNeverYieldMoreThanTheLimit) {
  SeededRandom random(3);
  for (int run = 0; run < 20'000; ++run) {
    FrameReader reader(64);
    for (int i = 0; i < 8; ++i) {
      Bytes piece(random.Below(40));
      random.Fill(piece);
      for (auto& byte : piece) byte = random.Below(3) == 0 ? byte : 0;  // Small lengths are likely.
      reader.Feed(piece);
      while (const auto frame = reader.Next()) ASSERT_LE(frame->size(), 64u);
      ASSERT_LE(reader.buffered(), 64u + kPeerFrameHeaderSize);
    }
  }
}

}  // namespace
}  // namespace p2p::wire
