#include "control-server/admission/connection_table.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

net::SocketAddress PeerAt(uint16_t port) { return {net::IpAddress::V4(0x0A000007), port}; }

class ConnectionTableTest : public ::testing::Test {
 protected:
  SocketName Add(int fd, Place place = Place::kServed) {
    const SocketName name{fd, next_cookie_++};
    table_.Add(name, PeerAt(static_cast<uint16_t>(fd)), server_, place, now_);
    return name;
  }
  std::vector<SocketName> After(Duration d) { return table_.TakeDue(now_ += d); }

  const net::SocketAddress server_{net::IpAddress::V4(0x0A000001), 4400};
  ConnectionTable table_{{.served = 2, .full = 1}, {.hello = 15s, .authentication = 180s}};
  MonoTime now_{1h};
  uint64_t next_cookie_ = 100;
};

TEST_F(ConnectionTableTest, PlacesGoFirstWithinTheCapThenAboveItThenNowhere) {
  EXPECT_EQ(table_.FreePlace(), Place::kServed);
  const SocketName first = Add(5);
  Add(6);
  EXPECT_EQ(table_.FreePlace(), Place::kFull);
  Add(7, Place::kFull);
  EXPECT_EQ(table_.FreePlace(), std::nullopt);
  table_.Remove(first.cookie);
  EXPECT_EQ(table_.FreePlace(), Place::kServed);
  EXPECT_EQ(table_.served(), 1u);
  EXPECT_EQ(table_.full(), 1u);
}

TEST_F(ConnectionTableTest, WhoSaysNothingIsClosedAfterTheHelloTime) {
  const SocketName silent = Add(5);
  EXPECT_THAT(After(15s - 1ms), IsEmpty());
  EXPECT_EQ(table_.NextDue(), now_ + 1ms);
  EXPECT_THAT(After(1ms), ElementsAre(silent));
  EXPECT_THAT(After(1h), IsEmpty());  // Named once.
  EXPECT_EQ(table_.served(), 1u);     // The place is taken until the socket is gone.
}

TEST_F(ConnectionTableTest, WhoPromisedToSpeakIsAskedWhenDueAndDroppedWhenSilent) {
  const SocketName talker = Add(5);
  const SocketName other = Add(6);
  table_.MarkAuthenticated(PeerAt(5));
  table_.MarkAuthenticated(PeerAt(6));
  EXPECT_TRUE(table_.ExpectWithin(PeerAt(5), 30s, now_));
  EXPECT_EQ(table_.NextDue(), now_ + 30s);
  EXPECT_THAT(table_.TakeQuiet(now_ + 30s - 1ms), IsEmpty());
  now_ += 30s;
  EXPECT_THAT(table_.TakeQuiet(now_), ElementsAre(talker));
  EXPECT_THAT(table_.TakeQuiet(now_), IsEmpty());
  // It spoke 12 s ago: 18 s more.
  EXPECT_FALSE(table_.Heard(talker.cookie, 12s, now_));
  EXPECT_EQ(table_.NextDue(), now_ + 18s);
  EXPECT_FALSE(table_.Heard(talker.cookie, 1h, now_)) << "nobody asked";
  now_ += 18s;
  EXPECT_THAT(table_.TakeQuiet(now_), ElementsAre(talker));
  EXPECT_TRUE(table_.Heard(talker.cookie, 30s, now_));
  EXPECT_FALSE(table_.Heard(talker.cookie, 31s, now_)) << "said once";
  EXPECT_EQ(table_.NextDue(), std::nullopt);
  EXPECT_TRUE(table_.Find(other.cookie)) << "who promised nothing is left alone";
  table_.Remove(talker.cookie);
}

TEST_F(ConnectionTableTest, APromiseEndsWithItsConnection) {
  const SocketName gone = Add(5);
  const SocketName closing = Add(6);
  table_.MarkAuthenticated(PeerAt(5));
  table_.MarkAuthenticated(PeerAt(6));
  table_.ExpectWithin(PeerAt(5), 30s, now_);
  table_.ExpectWithin(PeerAt(6), 30s, now_);
  table_.Remove(gone.cookie);
  table_.CloseAt(PeerAt(6), now_ + 1s);
  EXPECT_FALSE(table_.ExpectWithin(PeerAt(6), 30s, now_)) << "it is on the way out";
  EXPECT_THAT(table_.TakeQuiet(now_ + 1h), IsEmpty());
  EXPECT_FALSE(table_.Heard(gone.cookie, 1h, now_));
  EXPECT_THAT(After(1s), ElementsAre(closing));
}

TEST_F(ConnectionTableTest, HelloGivesTimeToLogInAndRepeatingItGivesNoMore) {
  const SocketName talker = Add(5);
  EXPECT_THAT(After(10s), IsEmpty());
  EXPECT_TRUE(table_.MarkHello(PeerAt(5), now_));
  EXPECT_THAT(After(100s), IsEmpty());
  EXPECT_TRUE(table_.MarkHello(PeerAt(5), now_));
  EXPECT_THAT(After(80s - 1ms), IsEmpty());
  EXPECT_THAT(After(1ms), ElementsAre(talker));
}

TEST_F(ConnectionTableTest, TheRelayTakesNoPlaceAndHasNoDeadline) {
  Add(5);
  Add(6);
  const SocketName relay = Add(7, Place::kFull);  // Above the cap.
  EXPECT_EQ(table_.FreePlace(), std::nullopt);
  EXPECT_TRUE(table_.MarkRelay(PeerAt(7)));
  EXPECT_EQ(table_.PlaceOf(PeerAt(7)), Place::kRelay);
  EXPECT_EQ(table_.full(), 0u);
  EXPECT_EQ(table_.relays(), 1u);
  EXPECT_EQ(table_.FreePlace(), Place::kFull);
  EXPECT_TRUE(table_.MarkRelay(PeerAt(5)));  // Or within it: a client has the place now.
  EXPECT_EQ(table_.FreePlace(), Place::kServed);
  const auto due = After(1h);
  EXPECT_EQ(due.size(), 1u);  // The client that said nothing.
  EXPECT_NE(due.front(), relay);
  table_.Remove(relay.cookie);
  EXPECT_EQ(table_.relays(), 1u);
  EXPECT_FALSE(table_.MarkRelay(PeerAt(7)));
}

TEST_F(ConnectionTableTest, WhoLoggedInStays) {
  const SocketName member = Add(5);
  EXPECT_TRUE(table_.MarkHello(PeerAt(5), now_));
  EXPECT_TRUE(table_.MarkAuthenticated(PeerAt(5)));
  EXPECT_EQ(table_.authenticated(), 1u);
  EXPECT_THAT(After(24h), IsEmpty());
  table_.Remove(member.cookie);
  EXPECT_EQ(table_.authenticated(), 0u);
}

TEST_F(ConnectionTableTest, ATokenIsAsGoodAsHello) {
  Add(5);
  EXPECT_TRUE(table_.MarkAuthenticated(PeerAt(5)));
  EXPECT_THAT(After(24h), IsEmpty());
}

TEST_F(ConnectionTableTest, WaitingInOurOwnQueueDoesNotCount) {
  const SocketName waiter = Add(5);
  table_.MarkHello(PeerAt(5), now_);
  EXPECT_THAT(After(179s), IsEmpty());
  EXPECT_TRUE(table_.Pause(PeerAt(5), now_));
  EXPECT_THAT(After(2s), IsEmpty());
  EXPECT_THAT(After(3s), IsEmpty());
  EXPECT_TRUE(table_.Resume(PeerAt(5), now_));
  EXPECT_THAT(After(1s - 1ms), IsEmpty());
  EXPECT_THAT(After(10ms), ElementsAre(waiter));
  EXPECT_FALSE(table_.Resume(PeerAt(5), now_));  // Never more often than paused.
}

TEST_F(ConnectionTableTest, ACloseOnRequestHappensInTimeWhateverTheConnectionSays) {
  const SocketName penalised = Add(5);
  table_.MarkAuthenticated(PeerAt(5));
  EXPECT_TRUE(table_.CloseAt(PeerAt(5), now_ + 100ms));
  table_.MarkHello(PeerAt(5), now_);
  table_.MarkAuthenticated(PeerAt(5));
  table_.Pause(PeerAt(5), now_);
  EXPECT_THAT(After(99ms), IsEmpty());
  EXPECT_THAT(After(1ms), ElementsAre(penalised));
}

TEST_F(ConnectionTableTest, AFullPlaceIsNotKeptByTalking) {
  const SocketName full = Add(5, Place::kFull);
  table_.MarkHello(PeerAt(5), now_);
  table_.MarkAuthenticated(PeerAt(5));
  EXPECT_EQ(table_.PlaceOf(PeerAt(5)), Place::kFull);
  EXPECT_THAT(After(15s), ElementsAre(full));
  EXPECT_EQ(table_.authenticated(), 0u);
}

TEST_F(ConnectionTableTest, ANumberThatIsUsedAgainBelongsToTheNewcomer) {
  const SocketName old = Add(5);
  const SocketName fresh = Add(5);
  EXPECT_EQ(table_.served(), 1u);
  EXPECT_EQ(table_.Find(old.cookie), std::nullopt);
  EXPECT_EQ(table_.Find(fresh.cookie), fresh);
  table_.Remove(old.cookie);  // A late report about the old one changes nothing.
  EXPECT_EQ(table_.served(), 1u);
  EXPECT_EQ(table_.LocalOf(PeerAt(5)), server_);
}

TEST_F(ConnectionTableTest, APeerAddressThatIsUsedAgainNamesTheNewestConnection) {
  const SocketName old{8, 1};
  const SocketName fresh{9, 2};
  table_.Add(old, PeerAt(1), server_, Place::kServed, now_);
  table_.Add(fresh, PeerAt(1), server_, Place::kServed, now_);
  table_.CloseAt(PeerAt(1), now_);
  EXPECT_THAT(table_.TakeDue(now_), ElementsAre(fresh));
  table_.Remove(old.cookie);
  EXPECT_EQ(table_.PlaceOf(PeerAt(1)), Place::kServed);
}

TEST_F(ConnectionTableTest, UnknownPeersAreIgnored) {
  EXPECT_FALSE(table_.MarkHello(PeerAt(1), now_));
  EXPECT_FALSE(table_.MarkAuthenticated(PeerAt(1)));
  EXPECT_FALSE(table_.CloseAt(PeerAt(1), now_));
  EXPECT_FALSE(table_.Pause(PeerAt(1), now_));
  EXPECT_EQ(table_.PlaceOf(PeerAt(1)), std::nullopt);
  EXPECT_EQ(table_.LocalOf(PeerAt(1)), std::nullopt);
}

// Four connections may be without a log-in.
class CrowdTest : public ::testing::Test {
 protected:
  SocketName Add(uint16_t port, net::IpAddress ip = net::IpAddress::V4(0x0A000007),
                 Place place = Place::kServed) {
    const SocketName name{port, next_cookie_++};
    table_.Add(name, {ip, port}, {}, place, now_);
    return name;
  }
  std::vector<SocketName> Excess() {
    std::vector<SocketName> out;
    // A throw may hit nobody who may go; a hundred of them hit everybody.
    for (int i = 0; i < 100; ++i) {
      if (const auto name = table_.TakeExcess(now_, random_)) out.push_back(*name);
    }
    return out;
  }

  ConnectionTable table_{{.served = 100, .full = 2, .unauthenticated = 4},
                         {.hello = 15s, .authentication = 180s}};
  SeededRandom random_{3};
  MonoTime now_{1h};
  uint64_t next_cookie_ = 100;
};

TEST_F(CrowdTest, NobodyIsDroppedWhileThereAreFewOrTheyAreYoung) {
  for (uint16_t port = 1; port <= 4; ++port) Add(port);
  now_ += 10s;
  EXPECT_THAT(Excess(), IsEmpty());
  for (uint16_t port = 11; port <= 20; ++port) Add(port);
  for (uint16_t port = 1; port <= 4; ++port) table_.MarkAuthenticated(PeerAt(port));
  now_ += 5s - 1ms;
  EXPECT_EQ(table_.unauthenticated(), 10u);
  EXPECT_THAT(Excess(), IsEmpty());
}

TEST_F(CrowdTest, SilentOnesGoFirstAndTheOldestOfThemFirst) {
  const SocketName greeted = Add(1);
  table_.MarkHello(PeerAt(1), now_);
  now_ += 1s;
  const SocketName older = Add(2);
  now_ += 1s;
  const SocketName younger = Add(3);
  for (uint16_t port = 4; port <= 6; ++port) Add(port);
  now_ += 5s;
  EXPECT_THAT(Excess(), ElementsAre(older, younger));
  EXPECT_EQ(table_.unauthenticated(), 4u);
  EXPECT_THAT(Excess(), IsEmpty());
  EXPECT_TRUE(table_.Find(greeted.cookie));
}

TEST_F(CrowdTest, AmongThoseWhoSaidHelloChanceDecides) {
  std::vector<SocketName> all;
  for (uint16_t port = 1; port <= 40; ++port) {
    all.push_back(Add(port));
    table_.MarkHello(PeerAt(port), now_);
  }
  now_ += 5s;
  const auto dropped = Excess();
  EXPECT_EQ(dropped.size(), 36u);
  EXPECT_NE(dropped, std::vector<SocketName>(all.begin(), all.begin() + 36));
  EXPECT_EQ(table_.unauthenticated(), 4u);
}

TEST_F(CrowdTest, WhoWaitsForUsOrIsLoggedInOrIsAlreadyClosingIsLeftAlone) {
  for (uint16_t port = 1; port <= 8; ++port) {
    Add(port);
    table_.MarkHello(PeerAt(port), now_);
    if (port <= 6) table_.Pause(PeerAt(port), now_);
  }
  Add(9);
  table_.MarkAuthenticated(PeerAt(9));
  Add(10);
  table_.CloseAt(PeerAt(10), now_ + 1h);
  now_ += 5s;
  auto dropped = Excess();
  std::sort(dropped.begin(), dropped.end(),
            [](const SocketName& a, const SocketName& b) { return a.fd < b.fd; });
  EXPECT_THAT(dropped, ElementsAre(SocketName{7, 106}, SocketName{8, 107}));
}

TEST_F(CrowdTest, WhoSaidHelloHasLessTimeToLogInUntilTheCrowdHasBeenGoneForAWhile) {
  const SocketName early = Add(1);
  table_.MarkHello(PeerAt(1), now_);
  Add(2);
  Add(3);
  table_.MarkAuthenticated(PeerAt(2));
  now_ += 20s;
  EXPECT_THAT(table_.TakeDue(now_), ElementsAre(SocketName{3, 102}));
  for (uint16_t port = 4; port <= 6; ++port) {
    Add(port);
    table_.MarkHello(PeerAt(port), now_);
  }
  now_ += 15s - 1ms;  // The fourth without a log-in was there 15 s ago.
  EXPECT_THAT(table_.TakeDue(now_), IsEmpty());
  const SocketName late = Add(7);
  now_ += 1ms;
  EXPECT_EQ(table_.TakeDue(now_).size(), 4u);
  EXPECT_FALSE(table_.TakeExcess(now_, random_)) << "gone for good: " << early.cookie;
  table_.MarkHello(PeerAt(7), now_);  // The crowd was there a moment ago.
  now_ += 15s - 1ms;
  EXPECT_THAT(table_.TakeDue(now_), IsEmpty());
  now_ += 1ms;
  EXPECT_THAT(table_.TakeDue(now_), ElementsAre(late));
  Add(8);
  table_.MarkHello(PeerAt(8), now_);
  now_ += 180s - 1ms;
  EXPECT_THAT(table_.TakeDue(now_), IsEmpty());
}

TEST_F(CrowdTest, ASourceIsCountedUntilItsConnectionsLogInOrGo) {
  const net::IpAddress other = *net::IpAddress::Parse("2001:db8::1");
  const net::IpAddress neighbour = *net::IpAddress::Parse("2001:db8::2");
  std::vector<SocketName> names;
  for (uint16_t port = 1; port <= 4; ++port) names.push_back(Add(port, other));
  EXPECT_TRUE(table_.SourceIsFull(neighbour));  // Of the same /64.
  EXPECT_EQ(table_.FreePlaceFor(neighbour), std::nullopt);
  EXPECT_FALSE(table_.SourceIsFull(*net::IpAddress::Parse("2001:db8:0:1::1")));
  EXPECT_TRUE(table_.MarkAuthenticated({other, 1}));
  EXPECT_FALSE(table_.SourceIsFull(other));
  Add(5, neighbour, Place::kFull);  // Places above the cap count too.
  EXPECT_TRUE(table_.SourceIsFull(other));
  table_.Remove(names[2].cookie);
  EXPECT_EQ(table_.FreePlaceFor(other), Place::kServed);
  table_.Remove(names[0].cookie);  // Logged in long ago: not counted twice.
  Add(6, other);
  EXPECT_TRUE(table_.SourceIsFull(other));
}

TEST_F(CrowdTest, BytesBeforeALogInAreFew) {
  const SocketName name = Add(1);
  now_ += 50ms;
  EXPECT_FALSE(table_.Measured(name.cookie, 64 * 1024, now_));
  EXPECT_TRUE(table_.Measured(name.cookie, 64 * 1024 + 1, now_));
  EXPECT_FALSE(table_.Measured(name.cookie, 1 << 20, now_));  // Said once.
  EXPECT_FALSE(table_.Measured(999, 1 << 20, now_));          // Gone meanwhile.
}

TEST_F(CrowdTest, AfterALogInARateHoldsAndCallsThatCarryMuchAreCredited) {
  const SocketName name = Add(1);
  const uint64_t start = 60'000;
  EXPECT_FALSE(table_.Measured(name.cookie, start, now_));
  table_.MarkAuthenticated(PeerAt(1));
  uint64_t sent = start + (1 << 20);
  EXPECT_FALSE(table_.Measured(name.cookie, sent, now_));  // The burst.
  now_ += 10s;
  sent += 10 * 16 * 1024;
  EXPECT_FALSE(table_.Measured(name.cookie, sent, now_));  // The rate.
  table_.Credit(PeerAt(1), 120'000);
  sent += 120'000;
  EXPECT_FALSE(table_.Measured(name.cookie, sent, now_));
  EXPECT_TRUE(table_.Measured(name.cookie, sent + 1, now_));
}

TEST_F(CrowdTest, CreditIsNotHoarded) {
  const SocketName name = Add(1);
  table_.MarkAuthenticated(PeerAt(1));
  for (int i = 0; i < 100; ++i) table_.Credit(PeerAt(1), 120'000);
  now_ += 50ms;
  EXPECT_FALSE(table_.Measured(name.cookie, 1000, now_));
  EXPECT_TRUE(table_.Measured(name.cookie, 1001 + (1 << 20), now_));
}

TEST_F(CrowdTest, StrangersAndBusyOnesAreMeasuredEachTimeTheOthersInTurn) {
  const SocketName stranger = Add(1);
  std::vector<SocketName> members;
  for (uint16_t port = 2; port <= 6; ++port) {
    members.push_back(Add(port));
    table_.MarkAuthenticated(PeerAt(port));
  }
  const SocketName relay = Add(7);
  table_.MarkRelay(PeerAt(7));
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(table_.ToMeasure(2), UnorderedElementsAre(stranger, members[0], members[1]));
  EXPECT_THAT(table_.ToMeasure(2), UnorderedElementsAre(stranger, members[2], members[3]));
  EXPECT_THAT(table_.ToMeasure(2), UnorderedElementsAre(stranger, members[4], members[0]));
  now_ += 1s;
  EXPECT_FALSE(table_.Measured(members[3].cookie, 100'000, now_));
  EXPECT_THAT(table_.ToMeasure(1), UnorderedElementsAre(stranger, members[1], members[3]));
  now_ += 1s;
  EXPECT_FALSE(table_.Measured(members[3].cookie, 100'100, now_));  // Calm again.
  EXPECT_THAT(table_.ToMeasure(0), UnorderedElementsAre(stranger));
  EXPECT_EQ(table_.ToMeasure(100).size(), 6u);  // Each once, and never the relay.
  table_.CloseAt(PeerAt(1), now_);
  EXPECT_THAT(table_.ToMeasure(0), IsEmpty());
  EXPECT_FALSE(table_.Measured(relay.cookie, 1 << 30, now_));
}

}  // namespace
}  // namespace p2p::server
