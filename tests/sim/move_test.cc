// Clients whose address changes under them, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/sim/broadcast_world.h"

namespace p2p::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A NAT in front of the client gives it another port, or another address and port, while it stays
// where it is.
class MoveTest : public ::testing::Test {
 protected:
  MoveTest() : world_(21) {
    alice_.Attach();
    world_.RunFor(1s);
  }
  void MoveTo(uint32_t ip, uint16_t port) {
    world_.net().SetOutside(alice_.address(), {net::IpAddress::V4(ip), port});
  }
  uint64_t Count(relay::RelayCount which) const { return world_.counters().Get(which); }

  BroadcastWorld world_;
  SimClient& alice_ = world_.AddClient("alice");
};

TEST_F(MoveTest, ANewPortIsUsedOnceItHasAnsweredAndTheSessionSurvives) {
  const int sockets = alice_.sockets_opened();
  MoveTo(0x0A0000FE, 61'000);
  world_.Publish("lost on the way to the old port");
  world_.RunFor(20s);  // One ping at least.
  EXPECT_THAT(alice_.texts(), ElementsAre("lost on the way to the old port"));
  EXPECT_EQ(Count(relay::RelayCount::kMoved), 1u);
  EXPECT_EQ(Count(relay::RelayCount::kRegistered), 1u) << "no new registration";
  EXPECT_EQ(alice_.sockets_opened(), sockets);
  EXPECT_TRUE(world_.reachable().at(*alice_.conn()));
}

TEST_F(MoveTest, APortThatChangesEveryFiveSecondsAndThenTheAddressTooLosesNothing) {
  for (uint16_t i = 0; i < 40; ++i) {
    world_.Publish(absl::StrCat("number ", i));
    MoveTo(i < 20 ? 0x0A0000FE : 0x0A0001F0u + i, static_cast<uint16_t>(61'000 + i));
    world_.RunFor(5s);
  }
  world_.RunFor(60s);
  EXPECT_EQ(alice_.texts().size(), 40u);
  EXPECT_THAT(world_.Check(), IsEmpty());
  EXPECT_GT(Count(relay::RelayCount::kMoved), 10u);
  EXPECT_EQ(Count(relay::RelayCount::kRegistered), 1u) << "no new registration";
}

TEST_F(MoveTest, ACopiedDatagramGetsAChallengeNotLargerThanItselfAndMovesNothing) {
  const net::SocketAddress thief{net::IpAddress::V4(0xC0A80001), 5555};
  uint64_t in = 0;
  uint64_t out = 0;
  world_.net().Bind(thief,
                    [&](const net::SocketAddress&, ByteView datagram) { out += datagram.size(); });
  // He is faster than the client: the relay sees every datagram from him first.
  world_.net().SetBlackhole(alice_.address(), true, SimNetwork::Way::kFrom);
  alice_.on_send = [&](ByteView datagram) {
    in += datagram.size();
    world_.net().Send(thief, world_.relay_address(), datagram);
  };
  world_.Publish("for alice only");
  world_.RunFor(30s);
  EXPECT_GT(out, 0u) << "he was challenged";
  EXPECT_LE(out, in);
  EXPECT_EQ(Count(relay::RelayCount::kMoved), 0u);
  EXPECT_THAT(alice_.texts(), ElementsAre("for alice only"));
}

}  // namespace
}  // namespace p2p::sim
