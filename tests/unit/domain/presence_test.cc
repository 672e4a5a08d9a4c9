#include "control-server/domain/presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control-server/domain/presence_changes.h"
#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Names(const PresenceSnapshot& snapshot) {
  std::vector<std::string> names;
  for (const auto& user : snapshot.users) names.push_back(user.username);
  return names;
}
std::vector<std::string> Names(const std::vector<ActiveUser>& users) {
  return Names(PresenceSnapshot{users});
}

class PresenceTest : public ::testing::Test {
 protected:
  Presence presence_{10s};
};

TEST_F(PresenceTest, SnapshotIsSortedByNameWithoutRegardToCase) {
  presence_.Attach(Client(kCarol, "carol", "10.0.0.3"), Conn(3), false);
  presence_.Attach(Client(kBob, "Bob", "10.0.0.2"), Conn(2), false);
  presence_.Attach(Client(kAlice, "alice", "10.0.0.1"), Conn(1), false);
  EXPECT_THAT(Names(*presence_.Snapshot()), ElementsAre("alice", "Bob", "carol"));
  EXPECT_EQ(presence_.FindByName("bOB")->user, kBob);
  EXPECT_EQ(presence_.FindByName("dave"), nullptr);
}

TEST_F(PresenceTest, ASnapshotDoesNotChangeAfterwards) {
  presence_.Attach(Client(kAlice, "alice", "10.0.0.1"), Conn(1), false);
  const auto before = presence_.Snapshot();
  presence_.Remove(kAlice);
  EXPECT_THAT(Names(*before), ElementsAre("alice"));
  EXPECT_THAT(Names(*presence_.Snapshot()), IsEmpty());
}

TEST_F(PresenceTest, SecondClientIsRefusedAndToldWhereTheFirstIs) {
  EXPECT_TRUE(presence_.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false).arrived);
  const auto refused = presence_.Attach(Client(kAlice, "alice", "10.0.0.8"), Conn(2), false);
  EXPECT_EQ(refused.busy_at, Ip("10.0.0.7"));
  EXPECT_FALSE(refused.arrived);
  EXPECT_EQ(presence_.Find(kAlice)->seen, Ip("10.0.0.7"));
}

TEST_F(PresenceTest, TakeOverReplacesTheFirstWithoutAnArrival) {
  presence_.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false);
  const auto taken = presence_.Attach(Client(kAlice, "alice", "10.0.0.8"), Conn(2), true);
  EXPECT_FALSE(taken.busy_at.has_value());
  EXPECT_EQ(taken.replaced, Conn(1));
  EXPECT_FALSE(taken.arrived);
  // The late end of the replaced channel changes nothing.
  EXPECT_FALSE(presence_.Detach(kAlice, Conn(1), Presence::End::kClean, kStart));
  EXPECT_TRUE(presence_.IsAttached(kAlice));
  const Viewpoint viewer{.own = Ip("10.0.0.2"), .server = Ip("10.0.0.254")};
  EXPECT_THAT(presence_.At(viewer, Ip("10.0.0.7")), IsEmpty());
  EXPECT_THAT(Names(presence_.At(viewer, Ip("10.0.0.8"))), ElementsAre("alice"));
}

TEST_F(PresenceTest, CleanEndIsLeavingAtOnce) {
  presence_.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false);
  EXPECT_TRUE(presence_.Detach(kAlice, Conn(1), Presence::End::kClean, kStart));
  EXPECT_EQ(presence_.Find(kAlice), nullptr);
  EXPECT_EQ(presence_.size(), 0u);
}

TEST_F(PresenceTest, BrokenConnectionIsListedForTheGrace) {
  presence_.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false);
  EXPECT_FALSE(presence_.Detach(kAlice, Conn(1), Presence::End::kBroken, kStart));
  EXPECT_FALSE(presence_.IsAttached(kAlice));
  EXPECT_THAT(Names(*presence_.Snapshot()), ElementsAre("alice"));
  EXPECT_EQ(presence_.NextDeadline(), kStart + 10s);
  EXPECT_THAT(presence_.ExpireGrace(kStart + 9999ms), IsEmpty());
  EXPECT_THAT(Names(presence_.ExpireGrace(kStart + 10s)), ElementsAre("alice"));
  EXPECT_EQ(presence_.Find(kAlice), nullptr);
  EXPECT_FALSE(presence_.NextDeadline().has_value());
}

TEST_F(PresenceTest, ComingBackWithinTheGraceNeedsNoTakeOverAndIsNoArrival) {
  presence_.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false);
  presence_.Detach(kAlice, Conn(1), Presence::End::kBroken, kStart);
  const auto back = presence_.Attach(Client(kAlice, "alice", "10.0.0.9"), Conn(2), false);
  EXPECT_FALSE(back.busy_at.has_value());
  EXPECT_FALSE(back.replaced.has_value());
  EXPECT_FALSE(back.arrived);
  EXPECT_THAT(presence_.ExpireGrace(kStart + 1h), IsEmpty());
  EXPECT_TRUE(presence_.IsAttached(kAlice));
}

// What an attach meets, and what becomes of it. A client whose connection is half-open is attached
// as far as anybody knows; which client or device comes makes no difference: only `take_over` does.
TEST_F(PresenceTest, WhoMayAttachInEveryState) {
  enum class Before { kNobody, kAttached, kInGrace, kGraceOver, kLeft };
  struct Row {
    Before before;
    bool take_over;
    bool busy, replaced, arrived;
  };
  const Row rows[] = {
      {Before::kNobody, false, false, false, true},
      {Before::kNobody, true, false, false, true},
      {Before::kAttached, false, true, false, false},
      {Before::kAttached, true, false, true, false},
      {Before::kInGrace, false, false, false, false},
      {Before::kInGrace, true, false, false, false},
      {Before::kGraceOver, false, false, false, true},
      {Before::kGraceOver, true, false, false, true},
      {Before::kLeft, false, false, false, true},
      {Before::kLeft, true, false, false, true},
  };
  for (const Row& row : rows) {
    for (const char* from : {"10.0.0.7", "10.0.0.8"}) {
      Presence presence(10s);
      if (row.before != Before::kNobody) {
        presence.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false);
      }
      if (row.before == Before::kInGrace || row.before == Before::kGraceOver) {
        presence.Detach(kAlice, Conn(1), Presence::End::kBroken, kStart);
      }
      if (row.before == Before::kGraceOver) presence.ExpireGrace(kStart + 10s);
      if (row.before == Before::kLeft) {
        presence.Detach(kAlice, Conn(1), Presence::End::kClean, kStart);
      }
      const auto result = presence.Attach(Client(kAlice, "alice", from), Conn(2), row.take_over);
      const std::string what = "state " + std::to_string(static_cast<int>(row.before)) +
                               (row.take_over ? " take_over from " : " from ") + from;
      EXPECT_EQ(result.busy_at.has_value(), row.busy) << what;
      EXPECT_EQ(result.replaced.has_value(), row.replaced) << what;
      EXPECT_EQ(result.arrived, row.arrived) << what;
      EXPECT_TRUE(presence.IsAttached(kAlice)) << what;
      EXPECT_EQ(presence.Find(kAlice)->seen, Ip(row.busy ? "10.0.0.7" : from)) << what;
      // Whoever is attached now is the one whose end counts.
      EXPECT_FALSE(presence.Detach(kAlice, Conn(row.busy ? 2 : 1), Presence::End::kClean, kStart));
      EXPECT_TRUE(presence.Detach(kAlice, Conn(row.busy ? 1 : 2), Presence::End::kClean, kStart));
    }
  }
}

TEST_F(PresenceTest, RemoveEndsAGraceToo) {
  presence_.Attach(Client(kAlice, "alice", "10.0.0.7"), Conn(1), false);
  presence_.Detach(kAlice, Conn(1), Presence::End::kBroken, kStart);
  EXPECT_TRUE(presence_.Remove(kAlice));
  EXPECT_FALSE(presence_.Remove(kAlice));
  EXPECT_FALSE(presence_.NextDeadline().has_value());
}

TEST_F(PresenceTest, ClientsOnLoopbackAreFoundWhereTheViewerReachesTheServer) {
  presence_.Attach(Client(kAlice, "alice", "127.0.0.1"), Conn(1), false);
  presence_.Attach(Client(kBob, "bob", "::1"), Conn(2), false);
  presence_.Attach(Client(kCarol, "carol", "10.0.0.3"), Conn(3), false);
  const Viewpoint lan{.own = Ip("10.0.0.3"), .server = Ip("10.0.0.254")};
  EXPECT_THAT(Names(presence_.At(lan, Ip("10.0.0.254"))), ElementsAre("alice", "bob"));
  EXPECT_THAT(presence_.At(lan, Ip("127.0.0.1")), IsEmpty());
  const Viewpoint local{.own = Ip("127.0.0.1"), .server = Ip("127.0.0.1")};
  EXPECT_THAT(Names(presence_.At(local, Ip("127.0.0.1"))), ElementsAre("alice", "bob"));
  EXPECT_THAT(Names(presence_.At(local, Ip("10.0.0.3"))), ElementsAre("carol"));
}

TEST(PresenceChangesTest, CameAndWentWithinOneBatchIsNoChange) {
  PresenceChanges changes;
  changes.Arrived("alice");
  changes.Left("alice");
  changes.Left("bob");
  changes.Arrived("bob");
  EXPECT_TRUE(changes.empty());
  changes.Arrived("dave");
  changes.Left("carol");
  const auto batch = changes.Take();
  EXPECT_THAT(batch.arrived, ElementsAre("dave"));
  EXPECT_THAT(batch.left, ElementsAre("carol"));
  EXPECT_FALSE(batch.list_again);
  EXPECT_TRUE(changes.empty());
}

TEST(PresenceChangesTest, MoreThanTwoHundredMeanListAgain) {
  PresenceChanges changes;
  for (int i = 0; i < 200; ++i) changes.Arrived("user" + std::to_string(i));
  EXPECT_EQ(changes.Take().arrived.size(), 200u);
  for (int i = 0; i < 201; ++i) changes.Left("user" + std::to_string(i));
  EXPECT_FALSE(changes.empty());
  const auto batch = changes.Take();
  EXPECT_TRUE(batch.list_again);
  EXPECT_THAT(batch.left, IsEmpty());
  EXPECT_TRUE(changes.empty());
}

}  // namespace
}  // namespace p2p::server
