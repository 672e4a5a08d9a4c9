#include "control-server/domain/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

using ResolutionKind = Resolution::Kind;
using ::testing::ElementsAre;

// Alice asks from 10.0.0.1; the server is 10.0.0.254 to her.
class ResolveTest : public ::testing::Test {
 protected:
  ResolveTest() { presence_.Attach(Client(kAlice, "Alice", "10.0.0.1"), Conn(1), false); }
  Resolution Name(absl::string_view text) { return Run(ClassifyName(text)); }
  Resolution Address(absl::string_view text) { return Run(ClassifyAddress(text)); }
  Resolution Run(const Target& target) {
    return Resolve(target, alice_, presence_, memory_, just_started_, now_);
  }
  void ExpectOffence(const Resolution& r, Offence offence) {
    ASSERT_EQ(r.kind, ResolutionKind::kOffence);
    EXPECT_EQ(r.offence, offence);
  }

  Asker alice_{kAlice, "Alice", {.own = Ip("10.0.0.1"), .server = Ip("10.0.0.254")}};
  Presence presence_{10s};
  AddressMemory memory_{10min};
  bool just_started_ = false;
  MonoTime now_ = kStart;
};

TEST_F(ResolveTest, ActiveNamesAndAddressesArePeers) {
  presence_.Attach(Client(kBob, "bob", "10.0.0.2"), Conn(2), false);
  EXPECT_EQ(Name("BOB").peer->user, kBob);
  EXPECT_EQ(Address("10.0.0.2").peer->username, "bob");
  EXPECT_EQ(Address("::ffff:10.0.0.2").peer->username, "bob");
}

TEST_F(ResolveTest, ANameNobodyActiveHasIsForTheStoreToKnow) {
  EXPECT_EQ(Name("bob").kind, ResolutionKind::kNeedsAccount);
}

TEST_F(ResolveTest, OneselfIsAnOffenceByNameAndByAddress) {
  ExpectOffence(Name("aLICE"), Offence::kSelf);
  ExpectOffence(Address("10.0.0.1"), Offence::kSelf);
  just_started_ = true;
  ExpectOffence(Address("10.0.0.1"), Offence::kSelf);
}

TEST_F(ResolveTest, ANeighbourBehindTheSameAddressIsFoundByIt) {
  presence_.Attach(Client(kBob, "bob", "10.0.0.1"), Conn(2), false);
  EXPECT_EQ(Address("10.0.0.1").peer->user, kBob);
}

TEST_F(ResolveTest, ANeighbourWhoLeftMakesTheOwnAddressAnHonestMistake) {
  memory_.Touch(Ip("10.0.0.1"), kBob, kWall, kStart);
  EXPECT_EQ(Address("10.0.0.1").kind, ResolutionKind::kInactiveAddress);
}

TEST_F(ResolveTest, OnesOwnFormerAddressIsNoOffence) {
  memory_.Touch(Ip("10.0.0.99"), kAlice, kWall, kStart);
  EXPECT_EQ(Address("10.0.0.99").kind, ResolutionKind::kInactiveAddress);
}

TEST_F(ResolveTest, SeveralAtOneAddressAreNamed) {
  presence_.Attach(Client(kCarol, "carol", "10.0.0.2"), Conn(3), false);
  presence_.Attach(Client(kBob, "bob", "10.0.0.2"), Conn(2), false);
  const auto r = Address("10.0.0.2");
  EXPECT_EQ(r.kind, ResolutionKind::kAmbiguous);
  EXPECT_THAT(r.names, ElementsAre("bob", "carol"));
}

TEST_F(ResolveTest, AnAddressOfTheLastTenMinutesIsAnHonestMistake) {
  memory_.Touch(Ip("10.0.0.2"), kBob, kWall, kStart);
  memory_.Touch(Ip("10.0.0.2"), kCarol, kWall + 5s, kStart);
  const auto r = Address("10.0.0.2");
  EXPECT_EQ(r.kind, ResolutionKind::kInactiveAddress);
  EXPECT_EQ(r.left_at, kWall + 5s);
  now_ += 10min;
  ExpectOffence(Address("10.0.0.2"), Offence::kUnknownAddress);
}

TEST_F(ResolveTest, RightAfterAStartAnUnknownAddressProvesNothing) {
  just_started_ = true;
  EXPECT_EQ(Address("10.0.0.77").kind, ResolutionKind::kJustStarted);
  ExpectOffence(Address("0.0.0.0"), Offence::kSpecialAddress);
  ExpectOffence(Address("10.0.0.777"), Offence::kMalformed);
  just_started_ = false;
  ExpectOffence(Address("10.0.0.77"), Offence::kUnknownAddress);
}

TEST_F(ResolveTest, LoopbackIsSpecialUnlessTheViewerIsThere) {
  presence_.Attach(Client(kBob, "bob", "127.0.0.1"), Conn(2), false);
  ExpectOffence(Address("127.0.0.1"), Offence::kSpecialAddress);
  EXPECT_EQ(Address("10.0.0.254").peer->user, kBob);
  alice_.view = {.own = Ip("127.0.0.1"), .server = Ip("127.0.0.1")};
  EXPECT_EQ(Address("127.0.0.1").peer->user, kBob);
}

TEST_F(ResolveTest, MalformedAndSpecialTargetsAreOffences) {
  ExpectOffence(Name("not a name!"), Offence::kMalformed);
  ExpectOffence(Address("not-an-ip"), Offence::kMalformed);
  for (const char* text : {"0.0.0.0", "::", "224.0.0.5", "255.255.255.255"}) {
    ExpectOffence(Address(text), Offence::kSpecialAddress);
  }
}

}  // namespace
}  // namespace p2p::server
