// Reassembly, probe timeouts, rates.
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "common/reliable/reassembly.h"
#include "common/reliable/rtt_estimator.h"
#include "common/reliable/token_bucket.h"

namespace p2p::reliable {
namespace {

using Result = Reassembler::Result;
const MonoTime kStart{1h};

BroadcastId IdOf(uint8_t n) {
  BroadcastId id;
  id.bytes[0] = n;
  return id;
}

Bytes Payload(size_t size, uint64_t seed = 1) {
  Bytes out(size);
  SeededRandom(seed).Fill(out);
  return out;
}

wire::FragmentFrame Cut(BroadcastId id, const Bytes& payload, uint16_t index) {
  return {.id = id,
          .index = index,
          .count = static_cast<uint16_t>(wire::FragmentCount(payload.size())),
          .total = static_cast<uint32_t>(payload.size()),
          .bytes = ByteView(payload).subspan(index * wire::kFragmentBytes,
                                             wire::FragmentSize(payload.size(), index))};
}

TEST(ReassemblerTest, AnyOrderWithRepeatsGivesThePayload) {
  const Bytes payload = Payload(wire::kMaxBroadcastPayload);
  Reassembler reassembler(60s);
  for (int i = 54; i > 0; --i) {
    EXPECT_EQ(reassembler.OnFragment(Cut(IdOf(1), payload, static_cast<uint16_t>(i)), kStart),
              Result::kStored);
    EXPECT_EQ(reassembler.OnFragment(Cut(IdOf(1), payload, 54), kStart), Result::kDuplicate);
  }
  EXPECT_EQ(reassembler.Bitmap(IdOf(1)), ((uint64_t{1} << 55) - 1) & ~uint64_t{1});
  EXPECT_EQ(reassembler.OnFragment(Cut(IdOf(1), payload, 0), kStart), Result::kComplete);
  EXPECT_EQ(reassembler.Take(IdOf(1)), payload);
  EXPECT_EQ(reassembler.partials(), 0u);
}

TEST(ReassemblerTest, ContradictionsDropThePartial) {
  const Bytes payload = Payload(3000), other = Payload(3001), changed = Payload(3000, 2);
  Reassembler reassembler(60s);
  reassembler.OnFragment(Cut(IdOf(1), payload, 0), kStart);
  EXPECT_EQ(reassembler.OnFragment(Cut(IdOf(1), other, 1), kStart), Result::kInconsistent);
  EXPECT_EQ(reassembler.partials(), 0u);
  reassembler.OnFragment(Cut(IdOf(1), payload, 0), kStart);
  EXPECT_EQ(reassembler.OnFragment(Cut(IdOf(1), changed, 0), kStart), Result::kInconsistent);
  EXPECT_EQ(reassembler.partials(), 0u);
}

TEST(ReassemblerTest, NinthMessageTakesThePlaceOfTheMostSilent) {
  const Bytes payload = Payload(3000);
  Reassembler reassembler(60s);
  for (uint8_t i = 0; i < wire::kMaxPartials; ++i) {
    reassembler.OnFragment(Cut(IdOf(i), payload, 0), kStart + std::chrono::seconds(i));
  }
  reassembler.OnFragment(Cut(IdOf(0), payload, 1), kStart + 20s);
  reassembler.OnFragment(Cut(IdOf(9), payload, 0), kStart + 21s);
  EXPECT_EQ(reassembler.partials(), wire::kMaxPartials);
  EXPECT_EQ(reassembler.evicted(), 1u);
  EXPECT_EQ(reassembler.Bitmap(IdOf(0)), 3u);
  EXPECT_EQ(reassembler.Bitmap(IdOf(1)), 0u) << "silent longest";
}

TEST(ReassemblerTest, PartialsDieAfterTheirTime) {
  const Bytes payload = Payload(3000);
  Reassembler reassembler(60s);
  reassembler.OnFragment(Cut(IdOf(1), payload, 0), kStart);
  EXPECT_EQ(reassembler.NextDeadline(), kStart + 60s);
  EXPECT_EQ(reassembler.Expire(kStart + 59s), 0u);
  EXPECT_EQ(reassembler.Expire(kStart + 60s), 1u);
  EXPECT_FALSE(reassembler.NextDeadline().has_value());
}

TEST(RttEstimatorTest, PtoIsFlatForEightTriesThenGrowsToItsLimit) {
  RttEstimator rtt({});
  for (int tries = 1; tries <= 8; ++tries) EXPECT_EQ(rtt.Pto(tries), 250ms);
  EXPECT_EQ(rtt.Pto(9), 375ms);
  EXPECT_EQ(rtt.Pto(10), 562'500us);
  EXPECT_EQ(rtt.Pto(30), 2s);
}

TEST(RttEstimatorTest, FollowsSamplesWithinItsBounds) {
  RttEstimator rtt({});
  rtt.OnSample(10ms, Duration(0));
  EXPECT_EQ(rtt.Pto(1), 100ms) << "the minimum";
  RttEstimator slow({});
  slow.OnSample(200ms, 20ms);
  EXPECT_EQ(slow.Pto(1), 200ms + 4 * 100ms + 20ms);
  for (int i = 0; i < 100; ++i) slow.OnSample(200ms, Duration(0));
  EXPECT_LT(slow.Pto(1), 210ms);
  slow.OnSample(-5ms, 10h);
  EXPECT_LE(slow.Pto(1), 2s) << "a liar cannot stop retransmission";
  slow.Reset();
  EXPECT_EQ(slow.Pto(1), 250ms);
}

TEST(TokenBucketTest, BurstThenRate) {
  TokenBucket bucket(1000, 10);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(bucket.Take(1, kStart));
  EXPECT_FALSE(bucket.Take(1, kStart));
  const MonoTime ready = bucket.ReadyAt(1, kStart);
  EXPECT_GT(ready, kStart + 999us);
  EXPECT_LT(ready, kStart + 1001us);
  EXPECT_FALSE(bucket.Has(1, ready - 10us));
  EXPECT_TRUE(bucket.Take(1, ready));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(bucket.Take(1, kStart + 10min));
  EXPECT_FALSE(bucket.Take(1, kStart + 10min)) << "saves up no more than the burst";
  EXPECT_FALSE(bucket.Take(1, kStart)) << "time that goes back gives nothing";
}

}  // namespace
}  // namespace p2p::reliable
