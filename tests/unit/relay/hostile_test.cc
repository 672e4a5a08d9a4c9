// The engine and the receiver against strangers: nothing forged is accepted, nothing grows, no
// answer is larger than the question. Memory is counted.
//
// P2P_FORGERIES=COUNT sets how many random ones each of them gets.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "absl/strings/numbers.h"
#include "tests/fakes/counted_memory.h"
#include "tests/sim/broadcast_world.h"

namespace p2p::relay {
namespace {

// A world in which one client is registered, another is only known, and all that the first one ever
// sent was recorded.
struct Town {
  Town() : world(77) {
    world.Record(true);
    sim::SimClient& alice = world.AddClient("alice");
    alice.on_receive = [this](ByteView datagram) { to_client.push_back(ToBytes(datagram)); };
    alice.Attach();
    world.RunFor(1s);
    world.Publish(std::string(5000, 'x'));
    world.RunFor(40s);  // Pings among the rest.
    world.Record(false);
    alice.on_receive = nullptr;
  }
  sim::SimClient& alice() { return *world.clients()[0]; }
  // Answers of the engine to one datagram from a stranger's address.
  size_t AnswerTo(ByteView datagram, const net::SocketAddress& from) {
    return AnswerTo(datagram, from, world.net().now());
  }
  size_t AnswerTo(ByteView datagram, const net::SocketAddress& from, MonoTime now) {
    Outbox out(4);
    memory([&] {
      world.engine().OnDatagram(datagram, {from, world.relay_address().ip}, now, out);
    });
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
  std::vector<Bytes> to_client;
  testing::MemoryWithin memory;  // What the engine did to it while it answered strangers.
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

TEST(HostileTest, EveryTruncationOfEveryKindMeetsSilence) {
  Town town;
  const uint64_t before = town.Accepted();
  for (const Bytes& datagram : OneOfEachKind(town)) {
    for (size_t length = 0; length < datagram.size(); ++length) {
      town.world.RunFor(1s);
      ASSERT_EQ(town.AnswerTo(ByteView(datagram).first(length), town.stranger), 0u) << length;
    }
  }
  EXPECT_EQ(town.Accepted(), before);
}

uint64_t Forgeries() {
  uint64_t count = 100'000;
  const char* given = std::getenv("P2P_FORGERIES");
  if (given != nullptr && !absl::SimpleAtoi(given, &count)) ADD_FAILURE() << "not a number";
  return count;
}

// Random bytes behind a kind, or one of `genuine` with bytes changed, missing or too many, or all
// of it random but what anybody who saw it can copy.
Bytes Forge(const std::vector<Bytes>& genuine, Random& random) {
  Bytes datagram;
  const uint64_t way = random.Below(3);
  if (way == 0) {
    datagram.resize(random.Below(1300));
    random.Fill(datagram);
    if (!datagram.empty()) datagram[0] = static_cast<uint8_t>(0x10 + random.Below(4));
    return datagram;
  }
  datagram = genuine[random.Below(genuine.size())];
  if (way == 1) {
    const bool is_data = wire::PeekKind(datagram) == wire::DatagramKind::kData;
    // Up to the conn_id, and what is zero in any packet number.
    const size_t clear = is_data ? wire::kDatagramHeaderSize - 6 : 12;
    if (is_data && random.Below(2) == 0) datagram.resize(64 + random.Below(1000));
    // A stage without cookie has zeros where the other one has its own.
    const size_t last = !is_data && datagram[1] == 0 ? 16 : datagram.size() - clear;
    random.Fill(std::span(datagram).last(last));
    return datagram;
  }
  for (uint64_t n = 1 + random.Below(8); n > 0; --n) {
    datagram[random.Below(datagram.size())] = static_cast<uint8_t>(random.U64());
  }
  if (random.Below(8) == 0) datagram.resize(random.Below(datagram.size()));
  if (random.Below(8) == 0) datagram.resize(datagram.size() + 1 + random.Below(40));
  return datagram;
}

TEST(HostileTest, AHundredThousandForgeriesChangeNothing) {
  Town town;
  const auto kinds = OneOfEachKind(town);
  const uint64_t before = town.Accepted();
  const size_t sessions = town.world.engine().sessions();
  const auto deadline = town.world.engine().NextDeadline();
  SeededRandom random(99);
  const uint64_t count = Forgeries();
  MonoTime now = town.world.net().now();
  for (uint64_t i = count; i > 0; --i) {
    const Bytes datagram = Forge(kinds, random);
    if (std::count(kinds.begin(), kinds.end(), datagram) > 0) continue;
    // From everywhere, and slowly enough that it is not the limit of a source that stops them.
    const net::SocketAddress from{net::IpAddress::V4(static_cast<uint32_t>(random.U64())), 5555};
    ASSERT_EQ(town.AnswerTo(datagram, from, now += 20us), 0u) << i << " before the end";
  }
  EXPECT_EQ(town.Accepted(), before);
  EXPECT_EQ(town.world.engine().sessions(), sessions);
  EXPECT_EQ(town.world.engine().NextDeadline(), deadline);
  EXPECT_EQ(town.memory.held(), 0);
  // They came as far as the cryptography.
  EXPECT_GE(town.world.counters().Get(RelayCount::kBadMac), count / 5);
  EXPECT_GE(town.world.counters().Get(RelayCount::kBadTag), count / 10);
  EXPECT_LE(town.world.counters().Get(RelayCount::kRegisterLimited), count / 100);
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

// All that was ever said, once more, from everywhere: no answer that moves or delivers anything.
void ReplayAll(Town& town) {
  const uint64_t delivered = town.world.counters().Get(RelayCount::kDelivered);
  const uint64_t registered = town.world.counters().Get(RelayCount::kRegistered);
  const uint64_t moved = town.world.counters().Get(RelayCount::kMoved);
  for (const auto& [from, datagram] : town.world.recorded()) {
    EXPECT_LE(town.AnswerTo(datagram, from), datagram.size());
    EXPECT_LE(town.AnswerTo(datagram, town.stranger), datagram.size());
  }
  const auto shown = town.alice().texts().size();
  for (const Bytes& datagram : town.to_client) town.alice().OnDatagram(datagram);
  EXPECT_EQ(town.alice().texts().size(), shown);
  EXPECT_EQ(town.world.counters().Get(RelayCount::kDelivered), delivered);
  EXPECT_EQ(town.world.counters().Get(RelayCount::kRegistered), registered);
  EXPECT_EQ(town.world.counters().Get(RelayCount::kMoved), moved);
}

TEST(HostileTest, AReplayIsWorthNothingLaterEither) {
  Town town;
  town.world.RunFor(10min);  // The cookies are no longer good.
  ReplayAll(town);
  town.world.RunFor(1h);
  ReplayAll(town);
  town.world.Publish("where it belongs");
  town.world.RunFor(1s);
  EXPECT_EQ(town.alice().texts().back(), "where it belongs");
}

TEST(HostileTest, AReplayIsWorthNothingAfterARestartOfTheRelay) {
  Town town;
  town.world.RestartRelay();
  ReplayAll(town);  // Before the client has registered again …
  town.world.RunFor(30s);
  ASSERT_EQ(town.alice().state(), client::UdpState::kWorking);
  ReplayAll(town);  // … and afterwards.
  town.world.Publish("where it belongs");
  town.world.RunFor(1s);
  EXPECT_EQ(town.alice().texts().back(), "where it belongs");
}

TEST(HostileTest, AReplayIsWorthNothingAfterARestartOfTheServer) {
  Town town;
  town.world.RestartServer();
  town.world.RunFor(30s);
  ASSERT_EQ(town.alice().state(), client::UdpState::kWorking);
  ReplayAll(town);
  town.world.Publish("where it belongs");
  town.world.RunFor(1s);
  EXPECT_EQ(town.alice().texts().back(), "where it belongs");
}

// The client's side of it: one datagram of each kind that a relay sends.
std::vector<Bytes> OneOfEachKindToTheClient(const Town& town) {
  std::vector<Bytes> out;
  std::set<uint8_t> seen;
  for (const Bytes& datagram : town.to_client) {
    if (seen.insert(datagram[0]).second) out.push_back(datagram);
  }
  EXPECT_EQ(out.size(), 3u) << "CHALLENGE, REGISTERED, DATA";
  return out;
}

class HostileToClientTest : public ::testing::Test {
 protected:
  void Offer(ByteView datagram) {
    const uint64_t sent = town_.alice().datagrams_sent();
    memory_([&] { town_.alice().OnDatagram(datagram); });
    ASSERT_EQ(town_.alice().datagrams_sent(), sent);
    ASSERT_EQ(town_.alice().texts().size(), 1u);
    ASSERT_EQ(town_.alice().state(), client::UdpState::kWorking);
  }
  void TearDown() override {
    EXPECT_EQ(memory_.held(), 0);
    town_.world.Publish("from the relay itself");
    town_.world.RunFor(1s);
    EXPECT_EQ(town_.alice().texts().back(), "from the relay itself");
  }
  Town town_;
  testing::MemoryWithin memory_;  // What the client did to it.
};

TEST_F(HostileToClientTest, EveryFlippedBitAndEveryTruncationIsIgnored) {
  for (const Bytes& datagram : OneOfEachKindToTheClient(town_)) {
    for (size_t bit = 0; bit < datagram.size() * 8; ++bit) {
      Bytes bad = datagram;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      ASSERT_NO_FATAL_FAILURE(Offer(bad)) << "bit " << bit;
    }
    for (size_t length = 0; length < datagram.size(); ++length) {
      ASSERT_NO_FATAL_FAILURE(Offer(ByteView(datagram).first(length))) << "length " << length;
    }
  }
}

TEST_F(HostileToClientTest, ForgeriesAreIgnored) {
  const auto kinds = OneOfEachKindToTheClient(town_);
  SeededRandom random(98);
  for (uint64_t i = Forgeries(); i > 0; --i) {
    ASSERT_NO_FATAL_FAILURE(Offer(Forge(kinds, random))) << i << " before the end";
  }
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
