#include "control-server/admission/connection_registry.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include "control-server/admission/accept_loop.h"
#include "control-server/admission/socket_name.h"

namespace p2p::server {
namespace {

net::SocketAddress Peer(uint16_t port) { return {net::IpAddress::V4(0x0A000007), port}; }

// Pairs of connected sockets stand for connections: the registry looks at numbers and cookies only.
class ConnectionRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    registry_ = *ConnectionRegistry::Create({.served = 2, .full = 1},
                                            {.hello = 15s, .authentication = 180s},
                                            {.sweep = 1s, .measure = 10s}, clock_);
  }

  // A new connection from port `port`; the near end is what a server would own.
  std::optional<Place> Connect(uint16_t port) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    near_[port] = net::UniqueFd(ends[0]);
    far_[port] = net::UniqueFd(ends[1]);
    return registry_->Admit(ends[0], Peer(port), Peer(4400));
  }
  bool Ended(uint16_t port) {
    char byte;
    return ::recv(far_[port].get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

  ManualClock clock_;
  std::unique_ptr<ConnectionRegistry> registry_;
  std::map<uint16_t, net::UniqueFd> near_;
  std::map<uint16_t, net::UniqueFd> far_;
};

TEST_F(ConnectionRegistryTest, TellsWhoIsServedAndWhoIsNot) {
  EXPECT_EQ(Connect(1), Place::kServed);
  EXPECT_EQ(Connect(2), Place::kServed);
  EXPECT_EQ(Connect(3), Place::kFull);
  EXPECT_EQ(Connect(4), std::nullopt);
  EXPECT_EQ(registry_->Refusal(Peer(1)), std::nullopt);
  EXPECT_EQ(registry_->Refusal(Peer(3)), "full: 2 of 2");
  EXPECT_EQ(registry_->LocalAddress(Peer(1)), Peer(4400));
  EXPECT_EQ(registry_->LocalAddress(Peer(4)), std::nullopt);
  EXPECT_EQ(registry_->counters().Get(Admission::kRefused), 1u);
}

TEST_F(ConnectionRegistryTest, LooksWhoIsGoneBeforeItRefuses) {
  Connect(1);
  Connect(2);
  near_[1].Reset();  // Closed by its owner, and nobody told us.
  EXPECT_EQ(registry_->figures().served, 2u);
  EXPECT_EQ(Connect(3), Place::kServed);
  EXPECT_EQ(registry_->figures().served, 2u);
}

TEST_F(ConnectionRegistryTest, CountsExactlyAfterASweepASecond) {
  Connect(1);
  Connect(2);
  near_[2].Reset();
  clock_.Advance(999ms);
  registry_->Tick();
  EXPECT_EQ(registry_->figures().served, 2u);
  clock_.Advance(1ms);
  registry_->Tick();
  EXPECT_EQ(registry_->figures().served, 1u);
  EXPECT_EQ(registry_->counters().Get(Admission::kGone), 1u);
}

TEST_F(ConnectionRegistryTest, ANumberThatSomethingElseHasIsFoundAfterFiveSweeps) {
  Connect(1);
  const int number = near_[1].get();
  const net::UniqueFd other(::eventfd(0, EFD_CLOEXEC));
  ASSERT_EQ(::dup2(other.get(), number), number);  // Closes the socket, takes its number.
  for (int sweep = 1; sweep < 5; ++sweep) {
    clock_.Advance(1s);
    registry_->Tick();
    EXPECT_EQ(registry_->figures().served, 1u);
  }
  clock_.Advance(1s);
  registry_->Tick();
  EXPECT_EQ(registry_->figures().served, 0u);
}

TEST_F(ConnectionRegistryTest, AnEventMakesItLookSooner) {
  Connect(1);
  far_[1].Reset();  // The peer hangs up: an event on the number.
  pollfd ready{.fd = registry_->poll_fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&ready, 1, 1000), 1);
  registry_->OnEvents();
  near_[1].Reset();  // And the owner closes.
  clock_.Advance(50ms);
  registry_->Tick();
  EXPECT_EQ(registry_->figures().served, 0u);
}

TEST_F(ConnectionRegistryTest, ClosesOnRequestAfterTheDelayAndOnlyThatOne) {
  Connect(1);
  Connect(2);
  registry_->Close(Peer(1), 100ms);
  EXPECT_EQ(registry_->Tick(), clock_.Mono() + 100ms);
  EXPECT_FALSE(Ended(1));
  clock_.Advance(100ms);
  registry_->Tick();
  EXPECT_TRUE(Ended(1));
  EXPECT_FALSE(Ended(2));
  EXPECT_EQ(registry_->counters().Get(Admission::kClosed), 1u);
}

TEST_F(ConnectionRegistryTest, ARequestWakesTheLoop) {
  Connect(1);
  registry_->Close(Peer(1), 0ms);
  pollfd ready{.fd = registry_->poll_fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 1);
  registry_->OnEvents();
  EXPECT_EQ(::poll(&ready, 1, 0), 0);
}

TEST_F(ConnectionRegistryTest, NeverShutsDownWhatHasTheNumberNow) {
  Connect(1);
  const int number = near_[1].get();
  registry_->Close(Peer(1), 0ms);
  near_[1].Reset();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const net::UniqueFd other(ends[0]);
  const net::UniqueFd other_far(ends[1]);
  ASSERT_EQ(other.get(), number);  // The lowest free number is given out first.
  registry_->Tick();
  char byte;
  EXPECT_EQ(::recv(other_far.get(), &byte, 1, MSG_DONTWAIT), -1);  // Open and quiet.
  EXPECT_EQ(registry_->counters().Get(Admission::kCloseTooLate), 1u);
}

// Connections over real sockets, from two loopback addresses: what the kernel counts cannot be
// faked.
class MeasuredConnectionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    registry_ = *ConnectionRegistry::Create(
        {.served = 10, .full = 1, .unauthenticated = 2, .bytes = {.before_login = 1000}},
        {.hello = 15s, .authentication = 180s}, {.sweep = 1s}, clock_);
    listener_ = *Listen(*net::SocketAddress::Parse("127.0.0.1:0"));
    address_ = *LocalAddressOf(listener_.get());
  }

  // The client's end; what the server got for it.
  struct Client {
    net::UniqueFd near, far;
    net::SocketAddress peer;
    std::optional<Place> place;
  };
  Client Connect(const char* from = "127.0.0.1") {
    Client client;
    client.far = net::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    socklen_t size = net::SocketAddress{*net::IpAddress::Parse(from), 0}.ToSockaddr(storage);
    EXPECT_EQ(::bind(client.far.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
    size = address_.ToSockaddr(storage);
    EXPECT_EQ(::connect(client.far.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
    client.peer = *LocalAddressOf(client.far.get());
    pollfd ready{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ready, 1, 1000), 1);
    client.near = net::UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    client.place = registry_->Admit(client.near.get(), client.peer, address_);
    return client;
  }
  static void Send(const Client& client, size_t bytes) {
    const std::string text(bytes, 'x');
    EXPECT_EQ(::send(client.far.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes));
    pollfd ready{.fd = client.near.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ready, 1, 1000), 1);
  }
  void Measure() {
    clock_.Advance(50ms);
    registry_->Tick();
  }
  uint64_t Count(Admission which) { return registry_->counters().Get(which); }

  ManualClock clock_;
  std::unique_ptr<ConnectionRegistry> registry_;
  net::UniqueFd listener_;
  net::SocketAddress address_;
};

TEST_F(MeasuredConnectionsTest, WhoSendsTooMuchBeforeALogInIsReset) {
  Client quiet = Connect();
  Client loud = Connect();
  Send(quiet, 1000);
  Send(loud, 1001);
  Measure();
  EXPECT_EQ(Count(Admission::kTooManyBytes), 1u);
  loud.near.Reset();  // Its owner notices, and closes.
  char byte;
  EXPECT_EQ(::recv(loud.far.get(), &byte, 1, 0), 0);  // The shutdown.
  EXPECT_EQ(::send(loud.far.get(), &byte, 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  Measure();
  EXPECT_EQ(Count(Admission::kTooManyBytes), 1u);
  Send(quiet, 1);
  Measure();
  EXPECT_EQ(Count(Admission::kTooManyBytes), 2u);
}

TEST_F(MeasuredConnectionsTest, WhoIsLoggedInMaySendMore) {
  Client member = Connect();
  registry_->MarkAuthenticated(member.peer);
  Send(member, 50'000);
  Measure();
  EXPECT_EQ(Count(Admission::kTooManyBytes), 0u);
}

TEST_F(MeasuredConnectionsTest, OneSourceHoldsOnlySoManyThatAreNotLoggedIn) {
  const Client first = Connect();
  Client second = Connect();
  EXPECT_EQ(second.place, Place::kServed);
  EXPECT_EQ(Connect().place, std::nullopt);
  EXPECT_EQ(Count(Admission::kSourceFull), 1u);
  EXPECT_EQ(Connect("127.0.0.2").place, Place::kServed);
  registry_->MarkAuthenticated(first.peer);
  const Client third = Connect();
  EXPECT_EQ(third.place, Place::kServed);
  EXPECT_EQ(Connect().place, std::nullopt);
  second.near.Reset();  // Gone, and nobody told us.
  clock_.Advance(10ms);
  EXPECT_EQ(Connect().place, Place::kServed);
}

TEST_F(MeasuredConnectionsTest, TheOldestSilentOneMakesRoom) {
  const Client first = Connect();
  clock_.Advance(5s);
  const Client second = Connect();
  registry_->Tick();
  EXPECT_EQ(Count(Admission::kMadeRoom), 0u);
  const Client third = Connect("127.0.0.2");
  registry_->Tick();
  EXPECT_EQ(Count(Admission::kMadeRoom), 1u);
  char byte;
  EXPECT_EQ(::recv(first.far.get(), &byte, 1, MSG_DONTWAIT), 0);
  EXPECT_EQ(::recv(second.far.get(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(registry_->figures().unauthenticated, 2u);
}

TEST(SocketNameTest, IsNoSocketNoCookie) {
  const net::UniqueFd file(::dup(1));
  EXPECT_EQ(CookieOf(-1), std::nullopt);
  EXPECT_FALSE(ShutdownByName({.fd = -1, .cookie = 7}));
  EXPECT_FALSE(ShutdownByName({.fd = file.get(), .cookie = 7}));
}

}  // namespace
}  // namespace p2p::server
