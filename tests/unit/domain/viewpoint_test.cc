#include "control-server/domain/viewpoint.h"

#include <gtest/gtest.h>

namespace p2p::server {
namespace {

net::IpAddress Ip(const char* text) { return *net::IpAddress::Parse(text); }

TEST(ViewpointTest, OrdinaryAddressesAreShownAsTheyAre) {
  const Viewpoint viewer{.own = Ip("10.0.0.9"), .server = Ip("10.0.0.1")};
  EXPECT_EQ(AddressFor(viewer, Ip("10.0.0.7")), Ip("10.0.0.7"));
  EXPECT_EQ(AddressFor(viewer, Ip("2001:db8::7")), Ip("2001:db8::7"));
}

TEST(ViewpointTest, AClientOnTheServersHostIsShownWhereTheViewerReachesTheServer) {
  const Viewpoint viewer{.own = Ip("10.0.0.9"), .server = Ip("10.0.0.1")};
  EXPECT_EQ(AddressFor(viewer, Ip("127.0.0.1")), Ip("10.0.0.1"));
  EXPECT_EQ(AddressFor(viewer, Ip("::1")), Ip("10.0.0.1"));
}

TEST(ViewpointTest, AViewerOnTheServersHostSeesLoopbackOfItsOwnFamily) {
  const Viewpoint viewer{.own = Ip("127.0.0.1"), .server = Ip("127.0.0.1")};
  EXPECT_EQ(AddressFor(viewer, Ip("127.0.0.3")), Ip("127.0.0.3"));
  EXPECT_EQ(AddressFor(viewer, Ip("::1")), Ip("127.0.0.1"));
}

}  // namespace
}  // namespace p2p::server
