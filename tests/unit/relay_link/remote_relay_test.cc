#include "control-server/relay_link/remote_relay.h"

#include <gmock/gmock.h>

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const ConnId kAnn{{0xa1}};
const ConnId kBob{{0xb0}};
const BroadcastId kNews{{1}};

class NotingEvents final : public relay::RelayEvents {
 public:
  void OnDelivered(ConnId session, BroadcastId) override {
    notes.push_back("delivered " + session.Hex().substr(0, 2));
  }
  void OnReachable(ConnId session, bool reachable) override {
    notes.push_back((reachable ? "up " : "down ") + session.Hex().substr(0, 2));
  }
  void OnRelayRestarted() override { notes.push_back("restarted"); }
  std::vector<std::string> Take() { return std::exchange(notes, {}); }

  std::vector<std::string> notes;
};

class NoConnections final : public ConnectionControl {
 public:
  void MarkHello(const net::SocketAddress&) override {}
  void MarkAuthenticated(const net::SocketAddress&) override {}
  void Close(const net::SocketAddress& peer, Duration) override { closed.push_back(peer); }
  std::optional<net::SocketAddress> LocalAddress(const net::SocketAddress&) const override {
    return std::nullopt;
  }
  std::vector<net::SocketAddress> closed;
};

// A link whose other end reads at once, unless told not to.
struct FakeLink final : LinkDriver {
  explicit FakeLink(const Clock& clock) : outbox(std::make_shared<LinkOutbox>(*this, clock)) {}
  void WriteOrders(const v1::RelayOrders& message) override {
    for (const auto& order : message.orders()) orders.push_back(order);
    if (reads) {
      outbox->OnWritten(true);  // gRPC may call back before it returns.
    }
  }
  void ReadReports() override {}
  void FinishLink(const grpc::Status& status) override { finished = status; }

  bool reads = true;
  std::vector<v1::RelayOrder> orders;
  std::optional<grpc::Status> finished;
  std::shared_ptr<LinkOutbox> outbox;
};

class RemoteRelayTest : public ::testing::Test {
 protected:
  void Link(FakeLink& link) {
    ASSERT_TRUE(relay_.Claim(link.outbox, peer_));
    relay_.Register(link.outbox, {.ip_address = "10.0.0.7", .port = 4400});
  }

  const net::SocketAddress peer_{net::IpAddress::V4(0x0A000007), 50000};
  ManualClock clock_;
  config::Timing timing_;
  NotingEvents events_;
  NoConnections connections_;
  RemoteRelay relay_{events_, connections_, clock_, timing_};
  FakeLink first_{clock_};
  FakeLink second_{clock_};
};

TEST_F(RemoteRelayTest, WithoutARelayNobodyIsReachableAndThatIsSaidOnce) {
  relay_.AddSession(kAnn, Secret<32>());
  relay_.AddBroadcast(std::make_shared<relay::SignedBroadcast>(), clock_.Mono() + 1min);
  relay_.Queue(kAnn, kNews);
  relay_.Queue(kAnn, kNews);
  EXPECT_THAT(events_.Take(), ElementsAre("down a1"));
  EXPECT_EQ(relay_.address().port, 0);
}

TEST_F(RemoteRelayTest, ARelayIsRegisteredBeforeAnyOrderAndTheOwnerFeedsIt) {
  relay_.AddSession(kAnn, Secret<32>());
  events_.Take();
  Link(first_);
  EXPECT_THAT(events_.Take(), ElementsAre("restarted"));
  EXPECT_EQ(relay_.address().ip_address, "10.0.0.7");
  relay_.AddSession(kAnn, Secret<32>());
  relay_.Queue(kAnn, kNews);
  ASSERT_THAT(first_.orders, SizeIs(3));
  EXPECT_TRUE(first_.orders[0].has_registered());
  EXPECT_TRUE(first_.orders[1].has_add_session());
  EXPECT_TRUE(first_.orders[2].has_queue());
  EXPECT_THAT(events_.Take(), IsEmpty());
}

TEST_F(RemoteRelayTest, AFanOutIsOneOrderForEachOrNewsOfEachWhenNoRelayIsThere) {
  relay_.AddSession(kAnn, Secret<32>());
  relay_.AddSession(kBob, Secret<32>());
  events_.Take();
  Link(first_);
  events_.Take();
  relay_.QueueForAll({kAnn, kBob}, kNews);
  ASSERT_THAT(first_.orders, SizeIs(3));
  EXPECT_EQ(first_.orders[1].queue().conn_id(), ToString(kAnn.view()));
  EXPECT_EQ(first_.orders[2].queue().conn_id(), ToString(kBob.view()));
  relay_.OnDraining();
  relay_.QueueForAll({kAnn, kBob}, kNews);
  EXPECT_THAT(events_.Take(), UnorderedElementsAre("down a1", "down b0"));
}

TEST_F(RemoteRelayTest, ARelayThatGoesLeavesEverybodyUnreachable) {
  Link(first_);
  relay_.AddSession(kAnn, Secret<32>());
  relay_.AddSession(kBob, Secret<32>());
  events_.Take();
  first_.outbox->End(grpc::Status(grpc::StatusCode::CANCELLED, "gone"));
  relay_.Release(first_.outbox);
  EXPECT_THAT(events_.Take(), UnorderedElementsAre("down a1", "down b0"));
  EXPECT_EQ(relay_.address().port, 0);
  relay_.Queue(kAnn, kNews);
  EXPECT_THAT(events_.Take(), IsEmpty());  // Known already.
  Link(second_);
  EXPECT_THAT(events_.Take(), ElementsAre("restarted"));
}

TEST_F(RemoteRelayTest, OnlyOneRelayAtATime) {
  Link(first_);
  EXPECT_FALSE(relay_.Claim(second_.outbox, peer_));
  relay_.Release(first_.outbox);
  EXPECT_TRUE(relay_.Claim(second_.outbox, peer_));
}

TEST_F(RemoteRelayTest, ADrainingRelayGetsNothingNewAndItsLastReportsCount) {
  Link(first_);
  relay_.AddSession(kAnn, Secret<32>());
  relay_.AddSession(kBob, Secret<32>());
  events_.Take();
  const size_t before = first_.orders.size();
  relay_.OnDraining();
  EXPECT_EQ(relay_.address().port, 0);
  relay_.Queue(kAnn, kNews);
  EXPECT_THAT(events_.Take(), ElementsAre("down a1"));
  EXPECT_THAT(first_.orders, SizeIs(before));
  relay_.OnDelivered(kBob, kNews);
  relay_.OnReachable(kBob, true);  // Of no use any more.
  EXPECT_THAT(events_.Take(), ElementsAre("delivered b0"));
  relay_.Release(first_.outbox);
  EXPECT_THAT(events_.Take(), ElementsAre("down b0"));
}

TEST_F(RemoteRelayTest, ASessionThatEndedIsForgotten) {
  Link(first_);
  relay_.AddSession(kAnn, Secret<32>());
  relay_.RemoveSession(kAnn);
  EXPECT_TRUE(first_.orders.back().has_remove_session());
  EXPECT_EQ(relay_.sessions(), 0u);
  events_.Take();
  relay_.Release(first_.outbox);
  EXPECT_THAT(events_.Take(), IsEmpty());
}

TEST_F(RemoteRelayTest, WhoDoesNotRegisterInTimeIsEnded) {
  ASSERT_TRUE(relay_.Claim(first_.outbox, peer_));
  relay_.AddSession(kAnn, Secret<32>());
  EXPECT_THAT(first_.orders, IsEmpty());
  clock_.Advance(timing_.hello - 1ms);
  relay_.Housekeep();
  EXPECT_FALSE(first_.finished);
  clock_.Advance(1ms);
  relay_.Housekeep();
  ASSERT_TRUE(first_.finished);
  EXPECT_EQ(first_.finished->error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(RemoteRelayTest, WhoDoesNotReadIsCut) {
  first_.reads = false;
  Link(first_);
  clock_.Advance(timing_.slow_reader - 1ms);
  relay_.Housekeep();
  EXPECT_THAT(connections_.closed, IsEmpty());
  clock_.Advance(1ms);
  relay_.Housekeep();
  EXPECT_THAT(connections_.closed, ElementsAre(peer_));
  EXPECT_EQ(relay_.counters().Get(LinkCount::kStuckReaders), 1u);
}

TEST_F(RemoteRelayTest, AServerThatStopsEndsTheLinkAndTakesNoOther) {
  Link(first_);
  relay_.Stop();
  ASSERT_TRUE(first_.finished);
  EXPECT_EQ(first_.finished->error_code(), grpc::StatusCode::UNAVAILABLE);
  relay_.Release(first_.outbox);
  EXPECT_FALSE(relay_.Claim(second_.outbox, peer_));
}

}  // namespace
}  // namespace p2p::server
