// What sessions cost in memory, and what does not allocate.
#include <gtest/gtest.h>

#include "common/wire/delivery_frames.h"
#include "tests/fakes/counted_memory.h"
#include "tests/unit/relay/village.h"

namespace p2p::relay {
namespace {

// Clients that acknowledge every fragment and, after the last of a broadcast, say DONE.
class RelayMemoryTest : public ::testing::Test {
 protected:
  explicit RelayMemoryTest(size_t size = 200)
      : village_(size, {.pto = {}, .register_total_rate = 1e6}) {
    village_.on_frames = [this](size_t i, uint64_t packet_no, ByteView frames) {
      wire::FrameCursor reader(frames);
      while (const auto frame = reader.Next()) {
        const auto fragment = wire::FragmentFrame::Parse(frame->body);
        if (static_cast<wire::FrameType>(frame->type) != wire::FrameType::kFragment) continue;
        if (!fragment) continue;
        uint64_t& have = have_[{i, fragment->id}];
        have |= uint64_t{1} << fragment->index;
        const bool all = have + 1 == uint64_t{1} << fragment->count;
        village_.clients[i]->Seal(
            [&](wire::SpanWriter& out) {
              if (all) return wire::DoneFrame{fragment->id, packet_no, 0}.SerializeTo(out);
              wire::AckFrame{fragment->id, packet_no, 0, have}.SerializeTo(out);
            },
            answers_[i]);
      }
    };
  }
  void Publish(const SignedBroadcast& broadcast) {
    village_.engine.AddBroadcast(broadcast, village_.now + 30min);
    village_.memory([&] { village_.engine.Queue(village_.conns, broadcast.id); });
    expected_ += village_.clients.size();
  }
  // Until all has arrived everywhere.
  void Deliver() {
    while (village_.delivered < expected_) {
      village_.now += 10ms;
      village_.Poll();
      village_.Hear();
      for (const auto& [i, said] : std::exchange(answers_, {})) {
        village_.Say(said, Village::Address(i));
      }
    }
  }
  void FanOut(const SignedBroadcast& broadcast) {
    Publish(broadcast);
    Deliver();
  }

  Village village_;
  std::map<std::pair<size_t, BroadcastId>, uint64_t> have_;
  std::map<size_t, client::Datagrams> answers_;
  size_t expected_ = 0;
};

TEST_F(RelayMemoryTest, AWarmFanOutAllocatesNothing) {
  village_.Admit();
  village_.Register();
  ASSERT_EQ(village_.reachable, 200u);
  FanOut(village_.Make(200));
  const uint64_t warm = village_.memory.allocations();
  for (int i = 0; i < 5; ++i) FanOut(village_.Make(200));
  EXPECT_EQ(village_.memory.allocations(), warm);
}

TEST_F(RelayMemoryTest, AFanOutOfManyFragmentsAllocatesOnceForEachSession) {
  village_.Admit();
  village_.Register();
  FanOut(village_.Make(200));
  const uint64_t warm = village_.memory.allocations();
  const uint64_t datagrams = village_.count.Get(RelayCount::kDatagramsOut);
  FanOut(village_.Make(wire::kMaxBroadcastText));
  EXPECT_GE(village_.count.Get(RelayCount::kDatagramsOut) - datagrams, 200u * wire::kMaxFragments);
  EXPECT_LE(village_.memory.allocations() - warm, 200u);
}

TEST_F(RelayMemoryTest, AClaimOfTheNextEpochTakesNothing) {
  village_.Admit();
  village_.Register();
  const int64_t before = village_.memory.held();
  for (size_t i = 0; i < village_.clients.size(); ++i) {
    Bytes claim = village_.Ping(i);
    claim[1] = 1;  // The epoch; the tag is wrong now.
    village_.Give(claim, Village::Address(i));
    ASSERT_EQ(village_.Hear(), 0u);
  }
  EXPECT_EQ(village_.count.Get(RelayCount::kBadTag), village_.clients.size());
  EXPECT_EQ(village_.memory.held(), before);
}

TEST_F(RelayMemoryTest, ExpiredTextIsGoneWhoeverWasToGetIt) {
  village_.Admit();  // Nobody registers, so nobody gets anything and nobody looks at the queues.
  constexpr int kBroadcasts = 20;
  for (int i = 0; i < kBroadcasts; ++i) {
    const auto broadcast = village_.Make(wire::kMaxBroadcastText);
    village_.memory([&] {
      village_.engine.AddBroadcast(broadcast, village_.now + 30min);
      village_.engine.Queue(village_.conns, broadcast.id);
    });
  }
  const int64_t queued = village_.memory.held();
  EXPECT_GE(queued, int64_t{kBroadcasts} * int64_t{wire::kMaxBroadcastText});
  village_.now += 30min;
  village_.Poll();
  EXPECT_EQ(village_.engine.broadcasts(), 0u);
  EXPECT_LE(village_.memory.held(),
            queued - int64_t{kBroadcasts} * int64_t{wire::kMaxBroadcastText});
}

constexpr size_t kSessions = 10'000;

class ManySessionsTest : public RelayMemoryTest {
 protected:
  ManySessionsTest() : RelayMemoryTest(kSessions) {}
};

// Two hours old: both keys of each changed twice, it had several broadcasts at once, its client
// spoke from another address and came back.
TEST_F(ManySessionsTest, AnIdleClientTakesNoMoreThanAKibibyte) {
  village_.Admit();
  village_.Register();
  ASSERT_EQ(village_.reachable, kSessions);
  for (int i = 0; i < 3; ++i) Publish(village_.Make(2000));
  Deliver();
  const auto all_talk = [&](size_t from) {
    for (size_t i = 0; i < kSessions; ++i) village_.Talk(i, Village::Address(i + from));
  };
  for (int hour = 0; hour < 2; ++hour) {
    village_.now += 58min;
    all_talk(kSessions);
    village_.now += 3min;
    all_talk(0);  // In the next epoch …
    village_.now += wire::kOldEpochLife;
    all_talk(0);  // … and after the end of the one before.
    village_.Poll();
    village_.Hear();
  }
  EXPECT_EQ(village_.count.Get(RelayCount::kRegistered), kSessions);
  EXPECT_EQ(village_.count.Get(RelayCount::kPathChallenges), 2 * kSessions);
  const double each = static_cast<double>(village_.memory.held()) / kSessions;
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LE(each, 1024);
}

}  // namespace
}  // namespace p2p::relay
