// The engine against strangers: nothing forged is accepted, nothing grows, no answer is larger than
// the question.
#include <gtest/gtest.h>

#include "tests/sim/broadcast_world.h"

namespace p2p::relay {
namespace {

// A world in which one client is registered, another is only known, and all that the first one ever
// sent was recorded.
struct Town {
  Town() : world(77) {
    world.Record(true);
    world.AddClient("alice").Attach();
    world.RunFor(1s);
    world.Publish(std::string(5000, 'x'));
    world.RunFor(40s);  // Pings among the rest.
    world.Record(false);
  }
  // Answers of the engine to one datagram from a stranger's address.
  size_t AnswerTo(ByteView datagram, const net::SocketAddress& from) {
    Outbox out(4);
    world.engine().OnDatagram(datagram, {from, world.relay_address().ip}, world.net().now(), out);
    size_t bytes = 0;
    EXPECT_LE(out.size(), 1u);
    for (size_t i = 0; i < out.size(); ++i) bytes += out[i].bytes.size();
    return bytes;
  }
  uint64_t Accepted() const {
    const auto& c = world.counters();
    return c.Get(RelayCount::kRegistered) + c.Get(RelayCount::kDelivered) +
           c.Get(RelayCount::kChallenges);
  }
  sim::BroadcastWorld world;
  const net::SocketAddress stranger{net::IpAddress::V4(0xC0A80001), 5555};
};

// One recorded datagram of each kind that a client sends.
std::vector<Bytes> OneOfEachKind(const Town& town) {
  std::vector<Bytes> out;
  bool seen[3] = {};
  for (const auto& [from, datagram] : town.world.recorded()) {
    const auto kind = wire::PeekKind(datagram);
    const size_t slot = kind == wire::DatagramKind::kData ? 0 : datagram[1] == 0 ? 1 : 2;
    if (std::exchange(seen[slot], true)) continue;
    out.push_back(datagram);
  }
  EXPECT_EQ(out.size(), 3u) << "DATA, REGISTER, REGISTER with cookie";
  return out;
}

TEST(HostileTest, EveryFlippedBitOfEveryKindMeetsSilence) {
  Town town;
  const uint64_t before = town.Accepted();
  for (const Bytes& datagram : OneOfEachKind(town)) {
    for (size_t bit = 0; bit < datagram.size() * 8; ++bit) {
      Bytes bad = datagram;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      town.world.RunFor(1s);  // The rate limit must not be what stops them.
      ASSERT_EQ(town.AnswerTo(bad, town.stranger), 0u) << "bit " << bit;
    }
  }
  EXPECT_EQ(town.Accepted(), before);
}

TEST(HostileTest, AHundredThousandForgeriesChangeNothing) {
  Town town;
  const auto kinds = OneOfEachKind(town);
  const uint64_t before = town.Accepted();
  const size_t sessions = town.world.engine().sessions();
  const auto deadline = town.world.engine().NextDeadline();
  SeededRandom random(99);
  for (int i = 0; i < 100'000; ++i) {
    Bytes datagram;
    if (i % 2 == 0) {
      datagram.resize(random.Below(1300));
      random.Fill(datagram);
      if (!datagram.empty()) datagram[0] = static_cast<uint8_t>(0x10 + random.Below(4));
    } else {
      datagram = kinds[random.Below(kinds.size())];
      for (uint64_t n = 1 + random.Below(8); n > 0; --n) {
        datagram[random.Below(datagram.size())] = static_cast<uint8_t>(random.U64());
      }
      if (random.Below(8) == 0) datagram.resize(random.Below(datagram.size()));
      if (datagram == kinds[0] || datagram == kinds[1] || datagram == kinds[2]) continue;
    }
    ASSERT_EQ(town.AnswerTo(datagram, town.stranger), 0u) << "number " << i;
  }
  EXPECT_EQ(town.Accepted(), before);
  EXPECT_EQ(town.world.engine().sessions(), sessions);
  EXPECT_EQ(town.world.engine().NextDeadline(), deadline);
  // And the honest client still works.
  town.world.Publish("still here");
  town.world.RunFor(1s);
  EXPECT_EQ(town.world.clients()[0]->texts().back(), "still here");
}

TEST(HostileTest, AnswersToReplaysAreNeverLargerThanTheQuestion) {
  Town town;
  for (const auto& [from, datagram] : town.world.recorded()) {
    EXPECT_LE(town.AnswerTo(datagram, town.stranger), datagram.size());
    EXPECT_LE(town.AnswerTo(datagram, from), datagram.size());
  }
}

TEST(HostileTest, AReplayedSessionDeliversNothingTwiceAndMovesNothing) {
  Town town;
  const uint64_t delivered = town.world.counters().Get(RelayCount::kDelivered);
  const uint64_t registered = town.world.counters().Get(RelayCount::kRegistered);
  const auto recorded = town.world.recorded();
  for (const auto& [from, datagram] : recorded) {
    town.AnswerTo(datagram, from);
    town.AnswerTo(datagram, town.stranger);
  }
  EXPECT_EQ(town.world.counters().Get(RelayCount::kDelivered), delivered);
  EXPECT_EQ(town.world.counters().Get(RelayCount::kRegistered), registered);
  EXPECT_GT(town.world.counters().Get(RelayCount::kReplayed), 0u);
  town.world.Publish("to the right address");
  town.world.RunFor(1s);
  EXPECT_EQ(town.world.clients()[0]->texts().back(), "to the right address");
}

TEST(HostileTest, ACookieIsGoodAtItsOwnAddressOnly) {
  Town town;
  Bytes with_cookie;
  net::SocketAddress owner;
  for (const auto& [from, datagram] : town.world.recorded()) {
    const bool is_register = wire::PeekKind(datagram) == wire::DatagramKind::kRegister;
    if (!is_register || datagram[1] != 1) continue;
    with_cookie = datagram;
    owner = from;
  }
  ASSERT_FALSE(with_cookie.empty());
  EXPECT_EQ(town.AnswerTo(with_cookie, town.stranger), wire::kChallengeSize);
  EXPECT_EQ(town.world.counters().Get(RelayCount::kBadCookie), 1u);
  EXPECT_EQ(town.AnswerTo(with_cookie, owner), wire::kRegisteredSize);
}

TEST(HostileTest, AnEarlierRegistrationOfTheSameSessionIsNotAnsweredAgain) {
  sim::BroadcastWorld world(5);
  world.Record(true);
  sim::SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  world.Record(false);
  world.net().SetBlackhole(alice.address(), true);
  world.RunFor(80s);  // It registers again from another port; the first cookie is still good.
  ASSERT_EQ(world.counters().Get(RelayCount::kRegistered), 2u);
  Outbox out(4);
  for (const auto& [from, datagram] : world.recorded()) {
    if (wire::PeekKind(datagram) != wire::DatagramKind::kRegister || datagram[1] != 1) continue;
    world.engine().OnDatagram(datagram, {from, {}}, world.net().now(), out);
  }
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(world.counters().Get(RelayCount::kOldRegister), 1u);
  EXPECT_EQ(world.counters().Get(RelayCount::kBadCookie), 0u);
}

TEST(HostileTest, WrongMacsAreChargedToTheirSourceOnly) {
  Town town;
  const auto kinds = OneOfEachKind(town);
  Bytes forged = kinds[1];
  forged.back() ^= 1;
  for (int i = 0; i < 100; ++i) town.AnswerTo(forged, town.stranger);
  EXPECT_EQ(town.world.counters().Get(RelayCount::kBadMac), 5u) << "the burst";
  EXPECT_EQ(town.world.counters().Get(RelayCount::kRegisterLimited), 95u);
  // Another client registers at the same time.
  town.world.AddClient("bob").Attach();
  town.world.RunFor(1s);
  EXPECT_EQ(town.world.clients()[1]->state(), client::UdpState::kWorking);
}

TEST(HostileTest, AReplayedHelloIsAnsweredAtALimitedRate) {
  Town town;
  const auto kinds = OneOfEachKind(town);
  size_t answers = 0;
  for (int i = 0; i < 100; ++i) answers += town.AnswerTo(kinds[1], town.stranger) > 0 ? 1 : 0;
  EXPECT_LE(answers, 5u);
}

}  // namespace
}  // namespace p2p::relay
