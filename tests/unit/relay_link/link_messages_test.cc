// What the server writes is what the relay carries out, and the other way round.
#include <gmock/gmock.h>

#include "control-server/relay_link/order_message.h"
#include "udp-relay/link/messages.h"

namespace p2p {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ConnId kSession{{1, 2, 3, 4, 5, 6, 7, 8}};
const BroadcastId kBroadcast{{9, 8, 7}};
const MonoTime kNow{1h};

// Writes down the calls.
class NotingPort final : public relay::RelayPort {
 public:
  void AddSession(ConnId session, Secret<32> psk) override {
    calls.push_back("add " + session.Hex() + " " + HexEncode(psk.view().first(2)));
  }
  void RemoveSession(ConnId session) override { calls.push_back("remove " + session.Hex()); }
  void AddBroadcast(relay::SignedBroadcastPtr added, MonoTime when) override {
    calls.push_back("broadcast");
    broadcast = std::move(added);
    expires = when;
  }
  void RemoveBroadcast(BroadcastId id) override { calls.push_back("forget " + id.Hex()); }
  void Queue(ConnId session, BroadcastId id) override {
    calls.push_back("queue " + session.Hex() + " " + id.Hex());
  }

  std::vector<std::string> calls;
  relay::SignedBroadcastPtr broadcast;
  MonoTime expires;
};

v1::RelayOrder Message(const server::LinkOrder& order, MonoTime now = kNow) {
  v1::RelayOrder message;
  EXPECT_TRUE(server::FillOrder(order, now, message));
  return message;
}

relay::SignedBroadcastPtr MakeBroadcast() {
  auto broadcast = std::make_shared<relay::SignedBroadcast>();
  broadcast->id = kBroadcast;
  broadcast->signed_object = {1, 2, 3};
  broadcast->signature.fill(0xab);
  broadcast->text = "Tea is ready. ☕";
  return broadcast;
}

TEST(LinkMessagesTest, OrdersArriveAsTheyWereGiven) {
  NotingPort port;
  for (const auto& order : {
           Message(relay::AddSessionOrder{kSession, Secret<32>({0x5e, 0xc2})}),
           Message(relay::QueueOrder{kSession, kBroadcast}),
           Message(relay::RemoveBroadcastOrder{kBroadcast}),
           Message(relay::RemoveSessionOrder{kSession}),
       }) {
    EXPECT_TRUE(relay::CarryOut(order, kNow, port)) << order.ShortDebugString();
  }
  EXPECT_THAT(port.calls,
              ElementsAre("add 0102030405060708 5ec2", "queue 0102030405060708 " + kBroadcast.Hex(),
                          "forget " + kBroadcast.Hex(), "remove 0102030405060708"));
}

TEST(LinkMessagesTest, ABroadcastKeepsItsDeadlineWhateverTheClocksSay) {
  const auto sent = Message(relay::AddBroadcastOrder{MakeBroadcast(), kNow + 90s}, kNow + 30s);
  NotingPort port;
  const MonoTime there{5s};  // The other process counts from elsewhere.
  ASSERT_TRUE(relay::CarryOut(sent, there, port));
  EXPECT_EQ(port.expires, there + 60s);
  EXPECT_EQ(port.broadcast->id, kBroadcast);
  EXPECT_EQ(port.broadcast->signed_object, MakeBroadcast()->signed_object);
  EXPECT_EQ(port.broadcast->signature, MakeBroadcast()->signature);
  EXPECT_EQ(port.broadcast->text, MakeBroadcast()->text);
}

TEST(LinkMessagesTest, WhatExpiredWhileItWaitedIsNotSent) {
  v1::RelayOrder message;
  EXPECT_FALSE(server::FillOrder(relay::AddBroadcastOrder{MakeBroadcast(), kNow}, kNow, message));
}

TEST(LinkMessagesTest, MalformedOrdersDoNothing) {
  std::vector<v1::RelayOrder> bad(9);
  bad[0].mutable_add_session()->set_conn_id("short");
  bad[1] = Message(relay::AddSessionOrder{kSession, Secret<32>()});
  bad[1].mutable_add_session()->set_psk("short");
  bad[2].mutable_remove_session();
  bad[3] = Message(relay::AddBroadcastOrder{MakeBroadcast(), kNow + 1s});
  bad[3].mutable_add_broadcast()->set_signature("short");
  bad[4] = Message(relay::AddBroadcastOrder{MakeBroadcast(), kNow + 1s});
  bad[4].mutable_add_broadcast()->set_text(std::string(60 * 1024 + 1, 'x'));
  bad[5] = Message(relay::AddBroadcastOrder{MakeBroadcast(), kNow + 1s});
  bad[5].mutable_add_broadcast()->set_expires_in_ms(30 * 60 * 1000 + 1);
  bad[6].mutable_queue()->set_conn_id(ToString(kSession.view()));
  bad[7].mutable_remove_broadcast()->set_broadcast_id(std::string(17, 'x'));
  // bad[8] is of a later version: nothing set.
  NotingPort port;
  for (const auto& order : bad) {
    EXPECT_FALSE(relay::CarryOut(order, kNow, port)) << order.ShortDebugString();
  }
  EXPECT_THAT(port.calls, IsEmpty());
}

TEST(LinkMessagesTest, ReportsSayWhoHasWhatAndWhoIsThere) {
  const auto message = relay::ToMessage(
      {relay::DeliveredReport{kSession, kBroadcast}, relay::ReachableReport{kSession, true}});
  ASSERT_EQ(message.reports_size(), 2);
  EXPECT_EQ(message.reports(0).delivered().conn_id(), ToString(kSession.view()));
  EXPECT_EQ(message.reports(0).delivered().broadcast_id(), ToString(kBroadcast.view()));
  EXPECT_EQ(message.reports(1).session_state().conn_id(), ToString(kSession.view()));
  EXPECT_TRUE(message.reports(1).session_state().reachable());
}

TEST(LinkMessagesTest, TheLargestMessageOfReportsFitsWhatTheServerReads) {
  ConnId session;
  session.bytes.fill(0xff);
  BroadcastId broadcast;
  broadcast.bytes.fill(0xff);
  const std::vector<relay::Report> reports(relay::kReportsPerMessage,
                                           relay::DeliveredReport{session, broadcast});
  EXPECT_LE(relay::ToMessage(reports).ByteSizeLong(), 64u * 1024);
}

class AddressOfTest : public ::testing::Test {
 protected:
  absl::StatusOr<server::RelayAddress> From(absl::string_view peer) {
    return server::AddressOf(registration_, *net::IpAddress::Parse(peer),
                             net::IpAddress::Parse("10.0.0.1"));
  }
  v1::RelayRegister registration_ = [] {
    v1::RelayRegister r;
    r.set_version("test");
    r.set_advertise_port(4400);
    return r;
  }();
};

TEST_F(AddressOfTest, ARelayOnTheServersHostIsFoundWhereTheServerIs) {
  for (const char* peer : {"127.0.0.1", "::1", "10.0.0.1"}) {
    const auto address = From(peer);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ip_address, "") << peer;
    EXPECT_EQ(address->port, 4400);
  }
}

TEST_F(AddressOfTest, ARelayOnAnotherHostIsFoundWhereItLinksFrom) {
  EXPECT_EQ(From("10.0.0.7")->ip_address, "10.0.0.7");
  registration_.set_advertise_address("203.0.113.9");
  EXPECT_EQ(From("10.0.0.7")->ip_address, "203.0.113.9");
}

TEST_F(AddressOfTest, WhatCannotBeSentToIsRefused) {
  for (const char* bad :
       {"nonsense", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "1.2.3.4:5"}) {
    registration_.set_advertise_address(bad);
    EXPECT_THAT(From("10.0.0.7").status().message(), HasSubstr("advertise_address")) << bad;
  }
  registration_.clear_advertise_address();
  for (const uint32_t bad : {0u, 65536u}) {
    registration_.set_advertise_port(bad);
    EXPECT_THAT(From("10.0.0.7").status().message(), HasSubstr("advertise_port"));
  }
  registration_.set_advertise_port(1);
  registration_.set_version(std::string(65, 'v'));
  EXPECT_THAT(From("10.0.0.7").status().message(), HasSubstr("version"));
}

}  // namespace
}  // namespace p2p
