#include "common/net/address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace p2p::net {
namespace {

TEST(IpAddressTest, ParsesAndPrintsRfc5952) {
  EXPECT_EQ(IpAddress::Parse("2001:DB8:0:0:0:0:0:1")->ToString(), "2001:db8::1");
  EXPECT_EQ(IpAddress::Parse("::ffff:10.0.0.7")->ToString(), "10.0.0.7");
  EXPECT_TRUE(IpAddress::Parse("::ffff:10.0.0.7")->is_v4());
  for (const char* bad : {"", "10.0.0", "10.0.0.256", "010.0.0.1", "fe80::1%eth0", "[::1]", "a"}) {
    EXPECT_FALSE(IpAddress::Parse(bad)) << bad;
  }
}

TEST(IpAddressTest, KnowsSpecialRanges) {
  EXPECT_TRUE(IpAddress::Parse("0.0.0.0")->IsUnspecified());
  EXPECT_TRUE(IpAddress::Parse("::")->IsUnspecified());
  EXPECT_TRUE(IpAddress::Parse("127.9.9.9")->IsLoopback());
  EXPECT_TRUE(IpAddress::Parse("::1")->IsLoopback());
  EXPECT_TRUE(IpAddress::Parse("224.0.0.1")->IsMulticast());
  EXPECT_TRUE(IpAddress::Parse("ff02::1")->IsMulticast());
  EXPECT_TRUE(IpAddress::Parse("169.254.169.254")->IsLinkLocal());
  EXPECT_TRUE(IpAddress::Parse("fe80::1")->IsLinkLocal());
  EXPECT_TRUE(IpAddress::Parse("172.31.0.1")->IsPrivate());
  EXPECT_FALSE(IpAddress::Parse("172.32.0.1")->IsPrivate());
  EXPECT_TRUE(IpAddress::Parse("10.1.2.3")->SharesPrefix(*IpAddress::Parse("10.1.3.3"), 23));
  EXPECT_FALSE(IpAddress::Parse("10.1.2.3")->SharesPrefix(*IpAddress::Parse("10.1.3.3"), 24));
}

TEST(SocketAddressTest, RoundTripsThroughTextAndSockaddr) {
  for (const char* text : {"10.0.0.7:4400", "[::1]:1", "[2001:db8::1]:65535"}) {
    const auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
    for (const bool as_v6 : {false, true}) {
      sockaddr_storage storage;
      address->ToSockaddr(storage, as_v6);
      EXPECT_EQ(SocketAddress::FromSockaddr(storage), address);
    }
  }
  for (const char* bad : {"10.0.0.7", "::1:4400", "10.0.0.7:65536", "10.0.0.7:", "10.0.0.7:+1"}) {
    EXPECT_FALSE(SocketAddress::Parse(bad)) << bad;
  }
}

TEST(SocketAddressTest, ReadsGrpcPeers) {
  EXPECT_EQ(ParseGrpcPeer("ipv4:127.0.0.1:5")->ToString(), "127.0.0.1:5");
  EXPECT_EQ(ParseGrpcPeer("ipv6:%5B::1%5D:5")->ToString(), "[::1]:5");
  EXPECT_FALSE(ParseGrpcPeer("unix:/x"));
}

}  // namespace
}  // namespace p2p::net
