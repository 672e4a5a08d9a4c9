#include "peer-client/chat/address_rule.h"

#include <gmock/gmock.h>

#include "peer-client/chat/dial_schedule.h"
#include "tests/unit/chat/link_samples.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;

class AddressRuleTest : public ::testing::Test {
 protected:
  DialVerdict Judge(const std::string& address, AddressOrigin origin = AddressOrigin::kObserved) {
    return JudgeAddress(*net::SocketAddress::Parse(address), origin, me_, peer_, local_);
  }
  void Seen(const char* me, const char* peer) {
    me_.observed = *net::IpAddress::Parse(me);
    peer_.observed = *net::IpAddress::Parse(peer);
  }
  wire::IntroducedParty me_ = SampleParty("alice", 0x20);
  wire::IntroducedParty peer_ = SampleParty("bob", 0x80);
  LocalView local_{.addresses = {{*net::IpAddress::Parse("127.0.0.1"), 8},
                                 {*net::IpAddress::Parse("192.168.1.5"), 24},
                                 {*net::IpAddress::Parse("203.0.113.5"), 32}},
                   .listening_ports = {4400}};
};

TEST_F(AddressRuleTest, PublicAddressesAreDialled) {
  Seen("203.0.113.5", "198.51.100.7");
  EXPECT_EQ(Judge("198.51.100.7:4400"), DialVerdict::kDial);
  EXPECT_EQ(Judge("[2001:db8::7]:65535"), DialVerdict::kDial);
}

TEST_F(AddressRuleTest, SpecialAddressesNeverAre) {
  Seen("203.0.113.5", "198.51.100.7");
  for (const auto origin : {AddressOrigin::kObserved, AddressOrigin::kClaimed}) {
    EXPECT_EQ(Judge("0.0.0.0:4400", origin), DialVerdict::kUnspecified);
    EXPECT_EQ(Judge("0.1.2.3:4400", origin), DialVerdict::kUnspecified);
    EXPECT_EQ(Judge("[::]:4400", origin), DialVerdict::kUnspecified);
    EXPECT_EQ(Judge("[::7f00:1]:4400", origin), DialVerdict::kUnspecified);
    EXPECT_EQ(Judge("224.0.0.1:4400", origin), DialVerdict::kMulticast);
    EXPECT_EQ(Judge("[ff02::1]:4400", origin), DialVerdict::kMulticast);
    EXPECT_EQ(Judge("255.255.255.255:4400", origin), DialVerdict::kBroadcast);
    EXPECT_EQ(Judge("240.0.0.1:4400", origin), DialVerdict::kBroadcast);
    EXPECT_EQ(Judge("192.168.1.255:4400", origin), DialVerdict::kBroadcast);
    EXPECT_EQ(Judge("169.254.169.254:4400", origin), DialVerdict::kLinkLocal);
    EXPECT_EQ(Judge("[fe80::1]:4400", origin), DialVerdict::kLinkLocal);
  }
}

TEST_F(AddressRuleTest, LowPortsNeverAre) {
  Seen("203.0.113.5", "198.51.100.7");
  EXPECT_EQ(Judge("198.51.100.7:1023"), DialVerdict::kLowPort);
  EXPECT_EQ(Judge("198.51.100.7:22"), DialVerdict::kLowPort);
  EXPECT_EQ(Judge("198.51.100.7:1024"), DialVerdict::kDial);
}

TEST_F(AddressRuleTest, LoopbackOnlyWhenTheServerSawBothThere) {
  Seen("127.0.0.1", "127.0.0.1");
  EXPECT_EQ(Judge("127.0.0.1:4401"), DialVerdict::kDial);
  EXPECT_EQ(Judge("[::ffff:127.0.0.1]:4401"), DialVerdict::kDial);  // One spelling inside.
  EXPECT_EQ(Judge("127.0.0.1:4401", AddressOrigin::kClaimed), DialVerdict::kLoopback);
  Seen("198.51.100.9", "127.0.0.1");
  EXPECT_EQ(Judge("127.0.0.1:4401"), DialVerdict::kLoopback);
  EXPECT_EQ(Judge("[::1]:4401"), DialVerdict::kLoopback);
  Seen("127.0.0.1", "198.51.100.9");
  EXPECT_EQ(Judge("127.0.0.1:4401"), DialVerdict::kLoopback);
}

TEST_F(AddressRuleTest, PrivateAddressesNeedOurNetworkOrTheServersEyes) {
  Seen("203.0.113.5", "10.9.9.9");
  EXPECT_EQ(Judge("10.9.9.9:4400"), DialVerdict::kPrivate);
  Seen("10.1.1.1", "10.9.9.9");
  EXPECT_EQ(Judge("10.9.9.9:4400"), DialVerdict::kDial);
  Seen("203.0.113.5", "192.168.1.77");
  EXPECT_EQ(Judge("192.168.1.77:4400"), DialVerdict::kDial);
}

TEST_F(AddressRuleTest, ClaimedAddressesMustBePrivateAndOnOurNetwork) {
  Seen("10.1.1.1", "10.9.9.9");
  EXPECT_EQ(Judge("192.168.1.77:4400", AddressOrigin::kClaimed), DialVerdict::kDial);
  EXPECT_EQ(Judge("10.9.9.9:4400", AddressOrigin::kClaimed), DialVerdict::kNotPrivate);
  EXPECT_EQ(Judge("198.51.100.7:4400", AddressOrigin::kClaimed), DialVerdict::kNotPrivate);
}

TEST_F(AddressRuleTest, OurOwnListenerIsNotDialled) {
  Seen("127.0.0.1", "127.0.0.1");
  EXPECT_EQ(Judge("127.0.0.1:4400"), DialVerdict::kOwnListener);
  EXPECT_EQ(Judge("192.168.1.5:4400"), DialVerdict::kOwnListener);
  EXPECT_EQ(Judge("203.0.113.5:4400"), DialVerdict::kOwnListener);
  EXPECT_EQ(Judge("203.0.113.5:4401"), DialVerdict::kDial);
}

TEST_F(AddressRuleTest, ThePlanPutsTheObservedAddressFirstAndNoneTwice) {
  Seen("203.0.113.9", "192.168.1.77");
  peer_.candidates = {*net::SocketAddress::Parse("192.168.1.77:4400"),
                      *net::SocketAddress::Parse("192.168.1.78:4400"),
                      *net::SocketAddress::Parse("8.8.8.8:4400")};
  const DialPlan plan = PlanDial(me_, peer_, local_);
  EXPECT_THAT(plan.dial, ElementsAre(*net::SocketAddress::Parse("192.168.1.77:4400"),
                                     *net::SocketAddress::Parse("192.168.1.78:4400")));
  EXPECT_THAT(plan.refused, ElementsAre(std::pair(*net::SocketAddress::Parse("8.8.8.8:4400"),
                                                  DialVerdict::kNotPrivate)));
  peer_.chat_port = 0;
  peer_.candidates.clear();
  EXPECT_TRUE(PlanDial(me_, peer_, local_).dial.empty());
}

TEST(DialScheduleTest, PausesGrowUntilTheTimeIsOver) {
  const MonoTime start{100s};
  DialSchedule schedule(start, 15s);
  MonoTime now = start;
  std::vector<Duration> pauses;
  while (const auto next = schedule.Next(now)) {
    pauses.push_back(*next - now);
    now = *next;
  }
  EXPECT_THAT(pauses, ElementsAre(100ms, 250ms, 500ms, 1s, 2s, 4s, 4s));
}

}  // namespace
}  // namespace p2p::client
