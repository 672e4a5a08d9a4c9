#include "control-server/domain/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "common/base/random.h"

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Send = DeliveryOrders::Send;

// A server in virtual time: what the desk would carry out is collected, and what it would store is
// kept across restarts.
class Story : public ::testing::Test {
 protected:
  explicit Story(DeliveryOptions options = {}) : options_(options), delivery_(options) {}

  UserId User() { return random_.NewId<UserId>(); }

  ConnId Attach(UserId user) {
    const ConnId conn = random_.NewId<ConnId>();
    Step([&](auto& out) { delivery_->OnAttached(user, conn, now_, wall(), out); });
    return conn;
  }
  BroadcastId Broadcast(Duration ttl = 30min) {
    const auto id = random_.NewId<BroadcastId>();
    expires_[id] = now_ + ttl;
    Step([&](auto& out) { delivery_->OnAccepted(id, now_ + ttl, now_, wall(), out); });
    return id;
  }
  void UdpAck(ConnId conn, BroadcastId id) {
    Step([&](auto& out) { delivery_->OnRelayAck(conn, id, wall(), out); });
  }
  void ChannelAck(UserId user, ConnId conn, BroadcastId id,
                  DeliveryVia shown = DeliveryVia::kNone) {
    Step([&](auto& out) { delivery_->OnChannelAck(user, conn, id, wall(), out, shown); });
  }
  void TakeBack(BroadcastId id) {
    taken_back_.insert(id);
    Step([&](auto& out) { delivery_->OnRevoked(id, now_, out); });
  }
  void Reachable(ConnId conn, bool reachable) {
    Step([&](auto& out) { delivery_->OnReachable(conn, reachable, out); });
  }
  // Lets the time pass, deadline by deadline as the loop would.
  void Advance(Duration d) {
    orders_ = {};
    const MonoTime end = now_ + d;
    while (const auto next = delivery_->NextDeadline()) {
      if (*next > end) break;
      now_ = std::max(now_, *next);
      DeliveryOrders out;
      delivery_->OnTimer(now_, out);
      Collect(out);
    }
    now_ = end;
  }
  // The process dies and comes back after `down` with what was stored.
  void Restart(Duration down) {
    now_ += down;
    delivery_.emplace(options_);
    for (const auto& [id, expires] : expires_) {
      if (expires <= now_) continue;
      std::vector<DeliveryRecord> rows;
      for (const auto& [key, row] : ledger_) {
        if (key.first == id) rows.push_back(row);
      }
      if (taken_back_.contains(id)) {
        delivery_->RestoreTakenBack(id, expires, rows);
      } else {
        delivery_->Restore(id, expires, rows);
      }
    }
  }
  const DeliveryRecord* Row(BroadcastId id, UserId user) const {
    const auto it = ledger_.find({id, user});
    return it == ledger_.end() ? nullptr : &it->second;
  }
  WallTime wall() const {
    return WallFromMs(1'700'000'000'000) +
           std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  }

  template <class F>
  void Step(F&& f) {
    orders_ = {};
    DeliveryOrders out;
    f(out);
    Collect(out);
  }
  // Adds to orders_, and does to the ledger what the store would do.
  void Collect(const DeliveryOrders& out) {
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(orders_.relay, out.relay);
    append(orders_.channel, out.channel);
    append(orders_.due, out.due);
    append(orders_.delivered, out.delivered);
    append(orders_.withdrawn, out.withdrawn);
    append(orders_.expired, out.expired);
    append(orders_.taken_back, out.taken_back);
    for (const auto& row : out.due) {
      EXPECT_TRUE(ledger_.emplace(std::pair(row.broadcast, row.user), row).second)
          << "a second row for one user";
    }
    for (const auto& row : out.delivered) {
      auto& stored = ledger_.at({row.broadcast, row.user});
      EXPECT_EQ(stored.via, DeliveryVia::kNone) << "delivered twice";
      stored.via = row.via;
      stored.delivered_at = row.delivered_at;
    }
  }

  SeededRandom random_{5};
  MonoTime now_{1h};
  DeliveryOptions options_;
  std::optional<Delivery> delivery_;
  DeliveryOrders orders_;  // Of the last step.
  std::map<std::pair<BroadcastId, UserId>, DeliveryRecord> ledger_;
  std::map<BroadcastId, MonoTime> expires_;
  std::set<BroadcastId> taken_back_;
};

class DeliveryTest : public Story {};

TEST_F(DeliveryTest, EverybodyAttachedIsDueTheSenderIncluded) {
  const UserId alice = User(), bob = User();
  const ConnId a = Attach(alice), b = Attach(bob);
  const BroadcastId hello = Broadcast();
  EXPECT_THAT(orders_.relay, UnorderedElementsAre(Send{a, hello}, Send{b, hello}));
  EXPECT_THAT(orders_.channel, IsEmpty());
  EXPECT_THAT(orders_.due, SizeIs(2));
  UdpAck(b, hello);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  EXPECT_EQ(Row(hello, alice)->via, DeliveryVia::kNone);
}

TEST_F(DeliveryTest, LateJoinerGetsWhatIsLiveAndNothingElse) {
  const BroadcastId old = Broadcast();
  Advance(20min);
  const BroadcastId young = Broadcast();
  Advance(10min - 1ms);
  const UserId carol = User();
  const ConnId c = Attach(carol);
  EXPECT_THAT(orders_.relay, UnorderedElementsAre(Send{c, old}, Send{c, young}));
  Advance(1ms);
  const ConnId d = Attach(User());
  EXPECT_THAT(orders_.relay, ElementsAre(Send{d, young}));
}

TEST_F(DeliveryTest, AccountCreatedWithinTheWindowIsDueLikeAnyOther) {
  const BroadcastId hello = Broadcast();
  Advance(5min);
  const UserId born_later = User();
  Attach(born_later);
  ASSERT_NE(Row(hello, born_later), nullptr);
  EXPECT_EQ(Row(hello, born_later)->due_at, wall());
}

TEST_F(DeliveryTest, WhoLeavesAndReturnsGetsItAgainOnlyWhileUnacknowledged) {
  const UserId bob = User();
  const ConnId first = Attach(bob);
  const BroadcastId one = Broadcast();
  const BroadcastId two = Broadcast();
  UdpAck(first, one);
  delivery_->OnDetached(first);
  Advance(1min);
  EXPECT_THAT(orders_.channel, IsEmpty());  // Nobody there to fall back to.
  const ConnId second = Attach(bob);
  EXPECT_THAT(orders_.relay, ElementsAre(Send{second, two}));
  EXPECT_THAT(orders_.due, IsEmpty());  // He was due before.
  UdpAck(second, two);
  EXPECT_EQ(Row(two, bob)->via, DeliveryVia::kUdp);
}

TEST_F(DeliveryTest, AbsenceDuringTheWholeWindowMeansNoRow) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  delivery_->OnDetached(b);
  const BroadcastId hello = Broadcast(1min);
  Advance(1min);
  EXPECT_THAT(orders_.expired, ElementsAre(hello));
  Attach(bob);
  EXPECT_EQ(Row(hello, bob), nullptr);
}

TEST_F(DeliveryTest, ChannelTakesOverWhenUdpDoesNotCarryIt) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast();
  Advance(10s - 1ms);
  EXPECT_THAT(orders_.channel, IsEmpty());
  Advance(1ms);
  EXPECT_THAT(orders_.channel, ElementsAre(Send{b, hello}));
  ChannelAck(bob, b, hello);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kChannel);
  Advance(10min);
  EXPECT_THAT(orders_.channel, IsEmpty());
}

TEST_F(DeliveryTest, AfterAFallbackTheNextOnesDoNotWaitUntilUdpWorksAgain) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId first = Broadcast();
  Advance(10s);
  const BroadcastId second = Broadcast();
  EXPECT_THAT(orders_.channel, ElementsAre(Send{b, second}));
  EXPECT_THAT(orders_.relay, ElementsAre(Send{b, second}));  // UDP is tried all the same.
  ChannelAck(bob, b, first);
  UdpAck(b, second);
  Broadcast();
  EXPECT_THAT(orders_.channel, IsEmpty());
  EXPECT_THAT(orders_.relay, SizeIs(1));
}

TEST_F(DeliveryTest, SilenceAtTheRelayMovesWhatIsOutstandingToTheChannelAtOnce) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  Reachable(b, true);
  const BroadcastId hello = Broadcast();
  Advance(1s);
  Reachable(b, false);
  EXPECT_THAT(orders_.channel, ElementsAre(Send{b, hello}));
  Advance(1min);
  EXPECT_THAT(orders_.channel, IsEmpty());  // Once is enough: the channel is reliable.
}

TEST_F(DeliveryTest, UdpAckThenChannelAckMakeOneDelivery) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast();
  Advance(10s);
  UdpAck(b, hello);
  ChannelAck(bob, b, hello);
  UdpAck(b, hello);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  EXPECT_EQ(delivery_->drops().Get(AckDrop::kRepeated), 2u);
}

TEST_F(DeliveryTest, AckOverTheChannelOfWhatCameByDatagramCountsAsUdp) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast();
  ChannelAck(bob, b, hello);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
}

TEST_F(DeliveryTest, WhatTheClientSaysOfTheWayIsWhatTheLedgerSays) {
  const UserId bob = User(), carol = User();
  const ConnId b = Attach(bob), c = Attach(carol);
  const BroadcastId hello = Broadcast();
  Advance(10s);  // Pushed on both channels, too; his datagram was shown, and its DONE lost.
  ChannelAck(bob, b, hello, DeliveryVia::kUdp);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  // Hers came over the channel of an earlier attachment, and that acknowledgement was lost.
  delivery_->OnDetached(c);
  const ConnId again = Attach(carol);
  ChannelAck(carol, again, hello, DeliveryVia::kChannel);
  EXPECT_EQ(Row(hello, carol)->via, DeliveryVia::kChannel);
}

TEST_F(DeliveryTest, AcksCountOnlyForWhatWasQueuedThere) {
  const UserId alice = User(), bob = User();
  const ConnId a = Attach(alice), b = Attach(bob);
  const BroadcastId hello = Broadcast();
  ChannelAck(alice, b, hello);                       // Another's attachment.
  ChannelAck(bob, random_.NewId<ConnId>(), hello);   // No attachment at all.
  UdpAck(random_.NewId<ConnId>(), hello);            // The same by datagram.
  ChannelAck(bob, b, random_.NewId<BroadcastId>());  // Never sent.
  delivery_->OnDetached(a);
  ChannelAck(alice, a, hello);  // Over already.
  EXPECT_EQ(Row(hello, alice)->via, DeliveryVia::kNone);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kNone);
  EXPECT_EQ(delivery_->drops().Get(AckDrop::kNotHis), 1u);
  EXPECT_EQ(delivery_->drops().Get(AckDrop::kUnknownAttachment), 3u);
  EXPECT_EQ(delivery_->drops().Get(AckDrop::kNotQueued), 1u);
}

TEST_F(DeliveryTest, TakeoverMovesWhatIsOutstandingToTheNewAttachment) {
  const UserId bob = User();
  const ConnId old = Attach(bob);
  const BroadcastId hello = Broadcast();
  const ConnId fresh = Attach(bob);  // Before the old one is reported gone.
  EXPECT_THAT(orders_.relay, ElementsAre(Send{fresh, hello}));
  UdpAck(old, hello);
  delivery_->OnDetached(old);
  UdpAck(fresh, hello);
  EXPECT_EQ(delivery_->drops().Get(AckDrop::kRepeated), 1u);
}

TEST_F(DeliveryTest, ExpiryEndsSendingButLateAcksStillCount) {
  const UserId bob = User(), carol = User();
  const ConnId b = Attach(bob), c = Attach(carol);
  const BroadcastId hello = Broadcast(5s);
  Advance(5s);
  EXPECT_THAT(orders_.expired, ElementsAre(hello));
  EXPECT_FALSE(delivery_->IsLive(hello));
  EXPECT_EQ(delivery_->live(), 0u);
  UdpAck(b, hello);  // Was on its way.
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  Advance(29s);
  EXPECT_THAT(orders_.channel, IsEmpty());  // No fallback for what has expired.
  Advance(1s);
  UdpAck(c, hello);
  EXPECT_EQ(Row(hello, carol)->via, DeliveryVia::kNone);
  EXPECT_FALSE(delivery_->NextDeadline());
}

TEST_F(DeliveryTest, RestartKeepsTheDeadlineAndWhoHasIt) {
  const UserId alice = User(), bob = User(), carol = User();
  const ConnId a = Attach(alice);
  Attach(bob);
  const BroadcastId hello = Broadcast();
  UdpAck(a, hello);
  Restart(10min);
  Attach(alice);
  EXPECT_THAT(orders_.relay, IsEmpty());  // Has it.
  const ConnId b = Attach(bob);
  EXPECT_THAT(orders_.relay, ElementsAre(Send{b, hello}));
  EXPECT_THAT(orders_.due, IsEmpty());
  const ConnId c = Attach(carol);
  EXPECT_THAT(orders_.relay, ElementsAre(Send{c, hello}));
  EXPECT_THAT(orders_.due, SizeIs(1));
  Advance(20min);  // 30 minutes after it was sent, not after the restart.
  EXPECT_THAT(orders_.expired, ElementsAre(hello));
}

TEST_F(DeliveryTest, RestartAfterTheDeadlineSendsNothing) {
  Broadcast();
  Restart(30min);
  Attach(User());
  EXPECT_THAT(orders_.relay, IsEmpty());
  EXPECT_EQ(delivery_->live(), 0u);
}

TEST_F(DeliveryTest, RelayThatForgotEverythingIsFedAgain) {
  const UserId alice = User(), bob = User();
  const ConnId a = Attach(alice), b = Attach(bob);
  const BroadcastId hello = Broadcast();
  UdpAck(a, hello);
  Step([&](auto& out) { delivery_->OnRelayRestarted(now_, out); });
  EXPECT_THAT(orders_.relay, ElementsAre(Send{b, hello}));
}

TEST_F(DeliveryTest, RelayIsFedAgainBroadcastByBroadcast) {
  std::vector<ConnId> conns;
  for (int i = 0; i < 20; ++i) conns.push_back(Attach(User()));
  for (int i = 0; i < 5; ++i) Broadcast();
  Step([&](auto& out) { delivery_->OnRelayRestarted(now_, out); });
  ASSERT_THAT(orders_.relay, SizeIs(100));
  std::set<BroadcastId> begun;
  for (size_t i = 0; i < orders_.relay.size(); ++i) {
    const bool same = i > 0 && orders_.relay[i].broadcast == orders_.relay[i - 1].broadcast;
    if (!same) {
      EXPECT_TRUE(begun.insert(orders_.relay[i].broadcast).second);
    }
  }
}

TEST_F(DeliveryTest, TakenBackIsSentToNobodyAnyMore) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast();
  TakeBack(hello);
  EXPECT_THAT(orders_.withdrawn, ElementsAre(hello));
  EXPECT_THAT(orders_.taken_back, ElementsAre(Send{b, hello}));
  EXPECT_FALSE(delivery_->IsLive(hello));
  EXPECT_EQ(delivery_->live(), 0u);
  TakeBack(hello);
  EXPECT_THAT(orders_.withdrawn, IsEmpty());
  EXPECT_THAT(orders_.taken_back, IsEmpty());
  Attach(User());
  EXPECT_THAT(orders_.relay, IsEmpty());
  Step([&](auto& out) { delivery_->OnRelayRestarted(now_, out); });
  EXPECT_THAT(orders_.relay, IsEmpty());
  Reachable(b, false);
  EXPECT_THAT(orders_.channel, IsEmpty());
  Advance(30min - 1ms);
  EXPECT_THAT(orders_.channel, IsEmpty());
  EXPECT_THAT(orders_.expired, IsEmpty());
  Advance(1ms);
  EXPECT_THAT(orders_.expired, ElementsAre(hello));
  EXPECT_FALSE(delivery_->NextDeadline());
}

TEST_F(DeliveryTest, WhoHadItWhenItWasTakenBackIsCountedHoweverHeSaysSo) {
  const UserId alice = User(), bob = User(), carol = User(), dave = User();
  const ConnId a = Attach(alice), b = Attach(bob);
  Attach(carol);
  const ConnId d = Attach(dave);
  const BroadcastId hello = Broadcast();
  delivery_->OnDetached(d);
  TakeBack(hello);
  UdpAck(a, hello);  // Was on its way.
  EXPECT_EQ(Row(hello, alice)->via, DeliveryVia::kUdp);
  ChannelAck(bob, b, hello, DeliveryVia::kUdp);  // The answer to being told.
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  Advance(20min);
  const ConnId back = Attach(dave);
  EXPECT_THAT(orders_.taken_back, ElementsAre(Send{back, hello}));
  ChannelAck(dave, back, hello, DeliveryVia::kChannel);
  EXPECT_EQ(Row(hello, dave)->via, DeliveryVia::kChannel);
  EXPECT_EQ(Row(hello, carol)->via, DeliveryVia::kNone);
}

TEST_F(DeliveryTest, TakenBackInItsLastSecondItStillAwaitsWhatWasOnItsWay) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast(5s);
  Advance(4s);
  TakeBack(hello);
  Advance(29s);
  UdpAck(b, hello);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  Advance(1s);
  EXPECT_FALSE(delivery_->NextDeadline());
}

TEST_F(DeliveryTest, WhoWasAwayWhenItWasTakenBackHearsItWheneverHeAttaches) {
  const UserId bob = User(), carol = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast(), hi = Broadcast();
  delivery_->OnDetached(b);
  for (const BroadcastId id : {hello, hi}) {
    TakeBack(id);
    EXPECT_THAT(orders_.taken_back, IsEmpty());
  }
  Attach(carol);  // Was never due.
  EXPECT_THAT(orders_.taken_back, IsEmpty());
  const ConnId back = Attach(bob);
  EXPECT_THAT(orders_.taken_back, UnorderedElementsAre(Send{back, hello}, Send{back, hi}));
  delivery_->OnDetached(back);  // Nobody knows what he still got to read.
  const ConnId again = Attach(bob);
  EXPECT_THAT(orders_.taken_back, UnorderedElementsAre(Send{again, hello}, Send{again, hi}));
}

TEST_F(DeliveryTest, ARestartForgetsNeitherThatItWasTakenBackNorWhoIsToHearOfIt) {
  const UserId bob = User();
  Attach(bob);
  const BroadcastId hello = Broadcast();
  TakeBack(hello);
  Restart(1min);
  EXPECT_EQ(delivery_->live(), 0u);
  Attach(User());
  EXPECT_THAT(orders_.taken_back, IsEmpty());
  const ConnId b = Attach(bob);
  EXPECT_THAT(orders_.taken_back, ElementsAre(Send{b, hello}));
  EXPECT_THAT(orders_.relay, IsEmpty());
  ChannelAck(bob, b, hello, DeliveryVia::kUdp);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kUdp);
  Advance(29min);
  EXPECT_THAT(orders_.expired, ElementsAre(hello));
  EXPECT_FALSE(delivery_->NextDeadline());
}

TEST_F(DeliveryTest, NobodyHearsOfItAfterTheBroadcastsOwnEnd) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast();
  delivery_->OnDetached(b);
  TakeBack(hello);
  Advance(31min);
  Attach(bob);
  EXPECT_THAT(orders_.taken_back, IsEmpty());
}

class WithoutRelayTest : public Story {
 protected:
  WithoutRelayTest() : Story({.has_relay = false}) {}
};

TEST_F(WithoutRelayTest, EverythingGoesOverTheChannelAtOnce) {
  const UserId bob = User();
  const ConnId b = Attach(bob);
  const BroadcastId hello = Broadcast();
  EXPECT_THAT(orders_.relay, IsEmpty());
  EXPECT_THAT(orders_.channel, ElementsAre(Send{b, hello}));
  ChannelAck(bob, b, hello);
  EXPECT_EQ(Row(hello, bob)->via, DeliveryVia::kChannel);
}

// Random comings, goings, losses and restarts: whoever stays long enough has it, nobody twice.
TEST_F(DeliveryTest, RandomStoriesKeepTheLedgerTrue) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom dice(seed);
    delivery_.emplace(options_);
    ledger_.clear();
    expires_.clear();
    taken_back_.clear();
    std::vector<UserId> users;
    for (int i = 0; i < 5; ++i) users.push_back(User());
    std::map<UserId, ConnId> present;
    std::vector<BroadcastId> sent;
    for (int step = 0; step < 100; ++step) {
      const UserId user = users[dice.Below(users.size())];
      switch (dice.Below(7)) {
        case 6:
          if (!sent.empty() && dice.Below(3) == 0) TakeBack(sent[dice.Below(sent.size())]);
          break;
        case 0:
          if (!present.contains(user)) present[user] = Attach(user);
          break;
        case 1:
          if (present.contains(user)) {
            delivery_->OnDetached(present[user]);
            present.erase(user);
          }
          break;
        case 2:
          sent.push_back(Broadcast());
          break;
        case 3:
          if (present.contains(user) && !sent.empty()) {
            UdpAck(present[user], sent[dice.Below(sent.size())]);
          }
          break;
        case 4:
          Advance(std::chrono::seconds(dice.Below(120)));
          break;
        case 5:
          if (dice.Below(5) == 0) {
            present.clear();
            Restart(1s);
          }
          break;
      }
      // Whoever is present is due for everything live: that is the definition.
      for (const auto& [who, conn] : present) {
        for (const BroadcastId& id : sent) {
          if (delivery_->IsLive(id)) {
            ASSERT_NE(Row(id, who), nullptr);
          }
        }
      }
    }
    // A reliable channel in the end: everybody present acknowledges what is outstanding.
    const auto everyone = present;
    for (const auto& [who, conn] : everyone) {
      for (const BroadcastId& id : sent) ChannelAck(who, conn, id);
    }
    for (const auto& [who, conn] : everyone) {
      for (const BroadcastId& id : sent) {
        if (delivery_->IsLive(id)) {
          ASSERT_NE(Row(id, who)->via, DeliveryVia::kNone);
        }
      }
    }
  }
}

}  // namespace
}  // namespace p2p::server
