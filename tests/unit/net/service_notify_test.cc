#include "common/net/service_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "common/net/fd.h"

namespace p2p::net {
namespace {

TEST(NotifySocketTest, PathsKeepTheirZeroAndAbstractNamesHaveNone) {
  const auto path = ParseNotifySocket("/run/notify");
  ASSERT_TRUE(path.ok());
  EXPECT_STREQ(path->socket.sun_path, "/run/notify");
  EXPECT_EQ(path->size, offsetof(sockaddr_un, sun_path) + 12);
  const auto name = ParseNotifySocket("@notify");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(std::string(name->socket.sun_path, 7), std::string("\0notify", 7));
  EXPECT_EQ(name->size, offsetof(sockaddr_un, sun_path) + 7);
}

TEST(NotifySocketTest, NothingElseIsAnAddress) {
  for (const std::string& bad :
       {std::string(), std::string("/"), std::string("@"), std::string("vsock:2:1234"),
        std::string("run/notify"), "/" + std::string(107, 'x'), "@" + std::string(108, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseNotifySocket(bad).status())) << bad;
  }
  EXPECT_TRUE(ParseNotifySocket("/" + std::string(106, 'x')).ok());
  EXPECT_TRUE(ParseNotifySocket("@" + std::string(107, 'x')).ok());
}

TEST(NotifySocketTest, TheManagerHearsTheState) {
  const std::string name = "@p2p-notify-test-" + std::to_string(::getpid());
  const auto address = ParseNotifySocket(name);
  const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(
      ::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address->socket), address->size), 0);
  ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  NotifyServiceManager("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  NotifyServiceManager("STOPPING=1");  // Nobody asked any more.
  char buffer[64];
  EXPECT_EQ(
      std::string(buffer, static_cast<size_t>(::recv(manager.get(), buffer, sizeof buffer, 0))),
      "READY=1");
  EXPECT_LT(::recv(manager.get(), buffer, sizeof buffer, 0), 0);
}

}  // namespace
}  // namespace p2p::net
