// ApprovalChannel: attaching, being the only one, leaving, and being sent away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/peering_fixture.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Event = v1::ServerEvent;

class PeeringChannelTest : public PeeringFixture {
 protected:
  bool IsActive(const std::string& name) {
    const auto active = Active();
    return std::find(active.begin(), active.end(), name) != active.end();
  }
};

TEST_F(PeeringChannelTest, AttachedComesFirstAndTheClientIsActive) {
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Open();
  channel->SendAttach();
  const auto attached = channel->Expect(Event::kAttached).attached();
  EXPECT_EQ(attached.conn_id().size(), 8u);
  EXPECT_EQ(attached.relay_psk().size(), 32u);
  EXPECT_EQ(attached.relay().port(), 4400u);
  EXPECT_EQ(attached.relay().ip_address(), "");
  EXPECT_EQ(attached.observed_ip_address(), "127.0.0.1");
  EXPECT_EQ(attached.reconnect_window_ms(), 500u);
  EXPECT_EQ(attached.broadcast_retention_s(), 1800u);
  EXPECT_NEAR(static_cast<double>(attached.server_time().seconds()),
              static_cast<double>(ToMs(clock_.Wall()) / 1000), 5);
  // The relay knew the session, with this key, before the client did.
  EXPECT_EQ(relay_.PskOf(attached.conn_id()), HexEncode(AsBytes(attached.relay_psk())));
  EXPECT_THAT(Active(), ElementsAre("alice"));
  EXPECT_TRUE(
      WaitUntil([&] { return listener_.notes() == std::vector<std::string>{"attached alice"}; }));
}

TEST_F(PeeringChannelTest, WithoutRelayTheEndpointIsEmpty) {
  with_relay_ = false;
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Open();
  channel->SendAttach();
  const auto attached = channel->Expect(Event::kAttached).attached();
  EXPECT_EQ(attached.relay_psk(), "");
  EXPECT_EQ(attached.relay().port(), 0u);
}

TEST_F(PeeringChannelTest, CallersWithoutTokenOrDeviceAreRefused) {
  Start();
  auto alice = NewPeer("alice");
  alice->authorization = "";
  EXPECT_EQ(alice->Open()->Finish().error_code(), StatusCode::UNAUTHENTICATED);
  alice->authorization = "Bearer AAAA";
  EXPECT_EQ(alice->Open()->Finish().error_code(), StatusCode::UNAUTHENTICATED);
  alice->authorization = NewToken("alice", {.device = false});
  const auto status = alice->Open()->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), StartsWith("device_public_key"));
}

TEST_F(PeeringChannelTest, TheFirstEventMustBeAttach) {
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Open();
  channel->SendDeny(std::string(32, '0'));
  EXPECT_EQ(channel->Finish().error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(Active(), IsEmpty());
}

TEST_F(PeeringChannelTest, ASecondAttachEndsTheChannel) {
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  channel->SendAttach();
  EXPECT_EQ(channel->Finish().error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(WaitUntil([&] { return !IsActive("alice"); }));
}

TEST_F(PeeringChannelTest, AttachMustComeInTime) {
  timing_.hello = 200ms;
  Start();
  auto alice = NewPeer("alice");
  const auto status = alice->Open()->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(PeeringChannelTest, AttachNeedsAChatPort) {
  Start();
  auto alice = NewPeer("alice", {.chat_port = 0});
  auto without = alice->Open();
  without->SendAttach();
  const auto status = without->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), StartsWith("chat_endpoint"));
  for (const uint32_t port : {0u, 1023u, 65536u}) {
    auto channel = alice->Open();
    v1::ClientEvent event;
    event.mutable_attach()->mutable_chat_endpoint()->set_port(port);
    channel->Send(event);
    const auto bad = channel->Finish();
    EXPECT_EQ(bad.error_code(), StatusCode::INVALID_ARGUMENT) << port;
    EXPECT_THAT(bad.error_message(), StartsWith("chat_endpoint"));
  }
  auto channel = alice->Open();
  v1::ClientEvent event;
  event.mutable_attach()->mutable_chat_endpoint()->set_port(1024);
  channel->Send(event);
  channel->Expect(Event::kAttached);
}

TEST_F(PeeringChannelTest, OnlyOneClientOfAnAccountUnlessItTakesOver) {
  Start();
  auto first_peer = NewPeer("alice");
  auto second_peer = NewPeer("alice");
  auto first = first_peer->Open();
  first->SendAttach();
  const std::string first_conn = first->Expect(Event::kAttached).attached().conn_id();

  auto refused = second_peer->Open();
  refused->SendAttach();
  const auto busy = refused->Finish();
  EXPECT_EQ(busy.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(busy.error_message(), "alice is attached from 127.0.0.1");

  auto second = second_peer->Open();
  second->SendAttach(/*take_over=*/true);
  const std::string second_conn = second->Expect(Event::kAttached).attached().conn_id();
  EXPECT_EQ(first->Expect(Event::kDetached).detached().reason(), v1::Detached::TAKEN_OVER);
  EXPECT_EQ(first->Finish().error_code(), StatusCode::ABORTED);
  EXPECT_NE(first_conn, second_conn);
  EXPECT_EQ(relay_.PskOf(first_conn), "");
  EXPECT_NE(relay_.PskOf(second_conn), "");
  EXPECT_THAT(Active(), ElementsAre("alice"));
  // The one that was replaced stays logged in.
  EXPECT_NE(sessions().FindByHeader(first_peer->authorization), nullptr);
}

TEST_F(PeeringChannelTest, ACleanEndIsLeavingAtOnce) {
  timing_.detach_grace = 1h;
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  channel->CloseSending();
  EXPECT_TRUE(channel->Finish().ok());
  EXPECT_TRUE(WaitUntil([&] { return Active().empty(); }));
  EXPECT_TRUE(WaitUntil([&] { return relay_.sessions() == 0; }));
  EXPECT_THAT(listener_.notes(), ElementsAre("attached alice", "detached"));
}

TEST_F(PeeringChannelTest, ABrokenChannelIsListedForTheGrace) {
  timing_.detach_grace = 1500ms;
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  const auto broken_at = std::chrono::steady_clock::now();
  channel->Break();
  EXPECT_TRUE(WaitUntil([&] { return relay_.sessions() == 0; }));  // The end was noticed,
  EXPECT_THAT(Active(), ElementsAre("alice"));                     // the user is still listed.
  EXPECT_TRUE(WaitUntil([&] { return Active().empty(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - broken_at, 1500ms);
}

TEST_F(PeeringChannelTest, ALostConnectionIsABrokenChannelToo) {
  timing_.detach_grace = 1h;
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  channel.reset();
  alice.reset();  // The connection with it.
  EXPECT_TRUE(WaitUntil([&] { return relay_.sessions() == 0; }));
  EXPECT_THAT(Active(), ElementsAre("alice"));
  // Coming back needs no take-over.
  auto back = NewPeer("alice");
  back->Attach();
}

TEST_F(PeeringChannelTest, LogOutEndsChannelAndPresenceAtOnce) {
  timing_.detach_grace = 1h;
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  sessions().Remove(HashOf(alice->authorization));
  hub().EndSession(HashOf(alice->authorization));
  EXPECT_EQ(channel->Expect(Event::kDetached).detached().reason(), v1::Detached::LOGGED_OUT);
  EXPECT_EQ(channel->Finish().error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(Active(), IsEmpty());
}

TEST_F(PeeringChannelTest, LogOutInTheGraceEndsPresenceToo) {
  timing_.detach_grace = 1h;
  Start();
  auto alice = NewPeer("alice");
  alice->Attach()->Break();
  EXPECT_TRUE(WaitUntil([&] { return relay_.sessions() == 0; }));
  sessions().Remove(HashOf(alice->authorization));
  hub().EndSession(HashOf(alice->authorization));
  EXPECT_TRUE(WaitUntil([&] { return Active().empty(); }));
}

TEST_F(PeeringChannelTest, LogOutOfAnotherSessionLeavesTheChannelAlone) {
  Start();
  auto alice = NewPeer("alice");
  const std::string other = NewToken("alice");
  auto channel = alice->Attach();
  sessions().Remove(HashOf(other));
  hub().EndSession(HashOf(other));
  ASSERT_EQ(alice->RequestName("alice").error_code(), StatusCode::PERMISSION_DENIED);
  channel->Expect(Event::kPenalty);  // Nothing came before it.
}

TEST_F(PeeringChannelTest, AnExpiredOrRevokedSessionEndsItsChannel) {
  Start();
  auto alice = NewPeer("alice", {.lifetime = 1s});
  auto bob = NewPeer("bob");
  auto expiring = alice->Attach();
  auto revoked = bob->Attach();
  sessions().Remove(HashOf(bob->authorization));
  for (TestChannel* channel : {expiring.get(), revoked.get()}) {
    EXPECT_EQ(channel->Expect(Event::kDetached).detached().reason(), v1::Detached::SESSION_ENDED);
    EXPECT_EQ(channel->Finish().error_code(), StatusCode::UNAUTHENTICATED);
  }
  EXPECT_THAT(Active(), IsEmpty());
}

TEST_F(PeeringChannelTest, EventsOfALaterVersionAreIgnored) {
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  v1::ClientEvent unknown;
  unknown.GetReflection()->MutableUnknownFields(&unknown)->AddLengthDelimited(99, "news");
  channel->Send(unknown);
  v1::ClientEvent odd;
  odd.mutable_broadcast_ack()->set_broadcast_id("not hex");
  channel->Send(odd);
  const std::string id(32, 'a');
  v1::ClientEvent ack;
  ack.mutable_broadcast_ack()->set_broadcast_id(id);
  channel->Send(ack);
  EXPECT_TRUE(WaitUntil([&] { return listener_.notes().back() == "ack " + id; }));
  EXPECT_EQ(hub().counters().Get(HubCount::kIgnoredEvents), 2u);
  EXPECT_THAT(Active(), ElementsAre("alice"));
}

TEST_F(PeeringChannelTest, ShutdownIsSaid) {
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Attach();
  hub().Shutdown();
  EXPECT_EQ(channel->Expect(Event::kDetached).detached().reason(), v1::Detached::SHUTTING_DOWN);
  EXPECT_TRUE(channel->Finish().ok());
}

TEST_F(PeeringChannelTest, WatchersHearOfArrivalsAndDepartures) {
  timing_.detach_grace = 100ms;
  Start();
  auto alice = NewPeer("alice");
  auto watcher = alice->Attach(false, /*watch=*/true);
  auto bob = NewPeer("bob");
  auto channel = bob->Attach();
  std::vector<std::string> arrived;
  while (arrived.empty() || arrived.back() != "bob") {
    const auto changes = watcher->Expect(Event::kPresence).presence();
    ASSERT_FALSE(::testing::Test::HasFailure());
    arrived.insert(arrived.end(), changes.arrived().begin(), changes.arrived().end());
  }
  channel->CloseSending();
  const auto changes = watcher->Expect(Event::kPresence).presence();
  EXPECT_THAT(changes.left(), ElementsAre("bob"));
  EXPECT_THAT(changes.arrived(), IsEmpty());
}

TEST_F(PeeringChannelTest, ARestartedRelayIsFedAgainAndTheClientsAreTold) {
  Start();
  auto alice = NewPeer("alice");
  auto channel = alice->Open();
  channel->SendAttach();
  const auto attached = channel->Expect(Event::kAttached).attached();
  hub().OnRelayRestarted();
  const auto restarted = channel->Expect(Event::kRelayRestarted).relay_restarted();
  EXPECT_EQ(restarted.conn_id(), attached.conn_id());
  EXPECT_NE(restarted.relay_psk(), attached.relay_psk());
  EXPECT_EQ(relay_.PskOf(restarted.conn_id()), HexEncode(AsBytes(restarted.relay_psk())));
}

// Hands its test the way down each channel.
class SinkKeeper final : public AttachmentListener {
 public:
  void OnAttached(const Attachment& attachment) override {
    MutexLock lock(mu_);
    sink_ = attachment.channel;
  }
  void OnDetached(UserId, ConnId) override {}
  void OnBroadcastAck(UserId, ConnId, BroadcastId, DeliveryVia) override {}
  std::shared_ptr<ChannelSink> sink() {
    MutexLock lock(mu_);
    return sink_;
  }

 private:
  Mutex mu_;
  std::shared_ptr<ChannelSink> sink_ ABSL_GUARDED_BY(mu_);
};

std::shared_ptr<const v1::ServerEvent> BigEvent() {
  auto event = std::make_shared<v1::ServerEvent>();
  event->mutable_broadcast()->set_text(std::string(60 * 1024, 'x'));
  return event;
}

TEST_F(PeeringChannelTest, AReaderThatIsStuckIsCut) {
  timing_.slow_reader = 500ms;
  SinkKeeper keeper;
  use_listener_ = &keeper;
  Start();
  auto alice = NewPeer("alice");
  auto stub = v1::PeeringService::NewStub(alice->channel().shared_from_this());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  context.AddMetadata("authorization", alice->authorization);
  auto stream = stub->ApprovalChannel(&context);
  v1::ClientEvent attach;
  attach.mutable_attach();
  stream->Write(attach);
  ASSERT_TRUE(WaitUntil([&] { return keeper.sink() != nullptr; }));
  // Far more than the window of the stream lets through unread, and no more than the queue takes.
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(keeper.sink()->Push(BigEvent()));
  EXPECT_TRUE(WaitUntil([&] { return hub().counters().Get(HubCount::kStuckReaders) > 0; }));
  v1::ServerEvent event;
  while (stream->Read(&event)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAVAILABLE);
  Stop();
}

TEST_F(PeeringChannelTest, AFullQueueEndsTheChannelAndSaysSo) {
  SinkKeeper keeper;
  use_listener_ = &keeper;
  Start();
  auto alice = NewPeer("alice");
  auto stub = v1::PeeringService::NewStub(alice->channel().shared_from_this());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  context.AddMetadata("authorization", alice->authorization);
  auto stream = stub->ApprovalChannel(&context);
  v1::ClientEvent attach;
  attach.mutable_attach();
  stream->Write(attach);
  ASSERT_TRUE(WaitUntil([&] { return keeper.sink() != nullptr; }));
  int taken = 0;
  while (taken < 100'000 && keeper.sink()->Push(BigEvent())) ++taken;
  EXPECT_LT(taken, 100'000);
  EXPECT_FALSE(keeper.sink()->Push(BigEvent()));
  v1::ServerEvent event;
  bool told = false;
  while (stream->Read(&event)) told |= event.detached().reason() == v1::Detached::TOO_SLOW;
  EXPECT_TRUE(told);
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(WaitUntil([&] { return hub().counters().Get(HubCount::kOverflows) == 1; }));
  Stop();
}

}  // namespace
}  // namespace p2p::server
