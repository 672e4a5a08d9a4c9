#include "control-server/admission/connection_table.h"

#include <gmock/gmock.h>

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

net::SocketAddress Peer(uint16_t port) { return {net::IpAddress::V4(0x0A000007), port}; }

class ConnectionTableTest : public ::testing::Test {
 protected:
  SocketName Add(int fd, Place place = Place::kServed) {
    const SocketName name{fd, next_cookie_++};
    table_.Add(name, Peer(static_cast<uint16_t>(fd)), server_, place, now_);
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

TEST_F(ConnectionTableTest, HelloGivesTimeToLogInAndRepeatingItGivesNoMore) {
  const SocketName talker = Add(5);
  EXPECT_THAT(After(10s), IsEmpty());
  EXPECT_TRUE(table_.MarkHello(Peer(5), now_));
  EXPECT_THAT(After(100s), IsEmpty());
  EXPECT_TRUE(table_.MarkHello(Peer(5), now_));
  EXPECT_THAT(After(80s - 1ms), IsEmpty());
  EXPECT_THAT(After(1ms), ElementsAre(talker));
}

TEST_F(ConnectionTableTest, TheRelayTakesNoPlaceAndHasNoDeadline) {
  Add(5);
  Add(6);
  const SocketName relay = Add(7, Place::kFull);  // Above the cap.
  EXPECT_EQ(table_.FreePlace(), std::nullopt);
  EXPECT_TRUE(table_.MarkRelay(Peer(7)));
  EXPECT_EQ(table_.PlaceOf(Peer(7)), Place::kRelay);
  EXPECT_EQ(table_.full(), 0u);
  EXPECT_EQ(table_.relays(), 1u);
  EXPECT_EQ(table_.FreePlace(), Place::kFull);
  EXPECT_TRUE(table_.MarkRelay(Peer(5)));  // Or within it: a client has the place now.
  EXPECT_EQ(table_.FreePlace(), Place::kServed);
  const auto due = After(1h);
  EXPECT_EQ(due.size(), 1u);  // The client that said nothing.
  EXPECT_NE(due.front(), relay);
  table_.Remove(relay.cookie);
  EXPECT_EQ(table_.relays(), 1u);
  EXPECT_FALSE(table_.MarkRelay(Peer(7)));
}

TEST_F(ConnectionTableTest, WhoLoggedInStays) {
  const SocketName member = Add(5);
  EXPECT_TRUE(table_.MarkHello(Peer(5), now_));
  EXPECT_TRUE(table_.MarkAuthenticated(Peer(5)));
  EXPECT_EQ(table_.authenticated(), 1u);
  EXPECT_THAT(After(24h), IsEmpty());
  table_.Remove(member.cookie);
  EXPECT_EQ(table_.authenticated(), 0u);
}

TEST_F(ConnectionTableTest, ATokenIsAsGoodAsHello) {
  Add(5);
  EXPECT_TRUE(table_.MarkAuthenticated(Peer(5)));
  EXPECT_THAT(After(24h), IsEmpty());
}

TEST_F(ConnectionTableTest, WaitingInOurOwnQueueDoesNotCount) {
  const SocketName waiter = Add(5);
  table_.MarkHello(Peer(5), now_);
  EXPECT_THAT(After(179s), IsEmpty());
  EXPECT_TRUE(table_.Pause(Peer(5), now_));
  EXPECT_THAT(After(2s), IsEmpty());
  EXPECT_THAT(After(3s), IsEmpty());
  EXPECT_TRUE(table_.Resume(Peer(5), now_));
  EXPECT_THAT(After(1s - 1ms), IsEmpty());
  EXPECT_THAT(After(10ms), ElementsAre(waiter));
  EXPECT_FALSE(table_.Resume(Peer(5), now_));  // Never more often than paused.
}

TEST_F(ConnectionTableTest, ACloseOnRequestHappensInTimeWhateverTheConnectionSays) {
  const SocketName penalised = Add(5);
  table_.MarkAuthenticated(Peer(5));
  EXPECT_TRUE(table_.CloseAt(Peer(5), now_ + 100ms));
  table_.MarkHello(Peer(5), now_);
  table_.MarkAuthenticated(Peer(5));
  table_.Pause(Peer(5), now_);
  EXPECT_THAT(After(99ms), IsEmpty());
  EXPECT_THAT(After(1ms), ElementsAre(penalised));
}

TEST_F(ConnectionTableTest, AFullPlaceIsNotKeptByTalking) {
  const SocketName full = Add(5, Place::kFull);
  table_.MarkHello(Peer(5), now_);
  table_.MarkAuthenticated(Peer(5));
  EXPECT_EQ(table_.PlaceOf(Peer(5)), Place::kFull);
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
  EXPECT_EQ(table_.LocalOf(Peer(5)), server_);
}

TEST_F(ConnectionTableTest, APeerAddressThatIsUsedAgainNamesTheNewestConnection) {
  const SocketName old{8, 1};
  const SocketName fresh{9, 2};
  table_.Add(old, Peer(1), server_, Place::kServed, now_);
  table_.Add(fresh, Peer(1), server_, Place::kServed, now_);
  table_.CloseAt(Peer(1), now_);
  EXPECT_THAT(table_.TakeDue(now_), ElementsAre(fresh));
  table_.Remove(old.cookie);
  EXPECT_EQ(table_.PlaceOf(Peer(1)), Place::kServed);
}

TEST_F(ConnectionTableTest, UnknownPeersAreIgnored) {
  EXPECT_FALSE(table_.MarkHello(Peer(1), now_));
  EXPECT_FALSE(table_.MarkAuthenticated(Peer(1)));
  EXPECT_FALSE(table_.CloseAt(Peer(1), now_));
  EXPECT_FALSE(table_.Pause(Peer(1), now_));
  EXPECT_EQ(table_.PlaceOf(Peer(1)), std::nullopt);
  EXPECT_EQ(table_.LocalOf(Peer(1)), std::nullopt);
}

}  // namespace
}  // namespace p2p::server
