// Fifty places, sixty clients: who is served, what the others hear, and who gets a place that
// frees.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <list>

#include "tests/integration/server_fixture.h"
#include "tests/integration/tls_churn.h"

namespace p2p::server {
namespace {

class CapacityTest : public ServerFixture {
 protected:
  void StartWith(uint64_t places) {
    options_.max_connections = places;
    StartServer();
  }
  AdmissionCounters& counters() { return server_->connections().counters(); }
  ConnectionRegistry::Figures figures() { return server_->connections().figures(); }
};

TEST_F(CapacityTest, FiftyAreServedAndTenHearFull) {
  StartWith(50);
  std::list<TestCaller> served;
  for (int i = 0; i < 50; ++i) {
    served.push_back(NewCaller());
    ASSERT_TRUE(served.back().Hello().ok()) << i;
  }
  for (int i = 0; i < 10; ++i) {
    TestCaller caller = NewCaller();
    const grpc::Status status = caller.Hello();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(status.error_message(), "full: 50 of 50");
  }
  for (auto& caller : served) EXPECT_TRUE(caller.Hello().ok());  // Nobody was disturbed.
  EXPECT_EQ(figures().served, 50u);
  // Those who heard it are cut, so that their places serve the next ones.
  EXPECT_TRUE(WaitUntil([&] {
    server_->connections().Sweep();
    return figures().full == 0;
  }));
  for (int i = 0; i < 10; ++i) served.pop_back();
  EXPECT_TRUE(WaitUntil([&] { return NewCaller().Hello().ok(); }));
}

TEST_F(CapacityTest, NoCallAtAllIsServedWithoutAPlace) {
  StartWith(1);
  TestCaller first = NewCaller();
  ASSERT_TRUE(first.Signup("alice", "correct horse", "correct horse").ok());
  ASSERT_TRUE(first.Login("alice", "correct horse").ok());
  const auto full = [](const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  };
  EXPECT_TRUE(full(NewCaller().Login("alice", "correct horse")));
  EXPECT_TRUE(full(NewCaller().Signup("bob", "correct horse", "correct horse")));
  TestCaller restarted = NewCaller();  // A live token is no place either.
  restarted.authorization = first.authorization;
  EXPECT_TRUE(full(restarted.ListActive()));
  EXPECT_TRUE(first.ListActive().ok());
}

TEST_F(CapacityTest, BeyondThePlacesForFullConnectionsEndAtOnce) {
  StartWith(2);
  const auto tls = MakeChurnContext();
  std::vector<std::unique_ptr<ChurnConnection>> silent;
  for (int i = 0; i < 2 + 16; ++i) {
    silent.push_back(ChurnConnection::Open(server_->address(), tls.get()));
    ASSERT_NE(silent.back(), nullptr);
    ASSERT_TRUE(silent.back()->SpeakHttp2(tls.get())) << i;
  }
  const auto beyond = ChurnConnection::Open(server_->address(), tls.get());
  ASSERT_NE(beyond, nullptr);
  EXPECT_TRUE(beyond->WaitForEnd());
  EXPECT_EQ(counters().Get(Admission::kRefused), 1u);
  EXPECT_EQ(figures().full, 16u);
}

TEST_F(CapacityTest, SilentConnectionsEndInTheirTime) {
  options_.timing.hello = 300ms;
  options_.timing.authentication = 600ms;
  options_.timing.tls_handshake = 200ms;
  StartWith(10);
  const auto tls = MakeChurnContext();
  const auto begin = std::chrono::steady_clock::now();
  const auto no_tls = ChurnConnection::Open(server_->address(), tls.get());
  const auto no_hello = ChurnConnection::Open(server_->address(), tls.get());
  ASSERT_TRUE(no_hello->SpeakHttp2(tls.get()));
  TestCaller no_login = NewCaller();
  ASSERT_TRUE(no_login.Hello().ok());
  EXPECT_TRUE(no_tls->WaitForEnd());
  EXPECT_TRUE(no_hello->WaitForEnd());
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 2s);
  EXPECT_TRUE(WaitUntil([&] { return counters().Get(Admission::kClosed) == 2; }))
      << counters().Get(Admission::kClosed) << " closed, " << counters().Get(Admission::kServed)
      << " accepted";
  EXPECT_TRUE(WaitUntil([&] { return figures().served == 0; }));
}

TEST_F(CapacityTest, WhoLoggedInIsNotEndedForSilence) {
  options_.timing.hello = 300ms;
  options_.timing.authentication = 2s;
  StartWith(10);
  TestCaller member = NewCaller();
  ASSERT_TRUE(member.Signup("alice", "correct horse", "correct horse").ok());
  ASSERT_TRUE(member.Login("alice", "correct horse").ok());
  TestCaller stranger = NewCaller();
  ASSERT_TRUE(stranger.Hello().ok());
  EXPECT_TRUE(WaitUntil([&] { return counters().Get(Admission::kClosed) == 1; }));  // The stranger.
  EXPECT_TRUE(member.ListActive().ok());
  EXPECT_EQ(counters().Get(Admission::kServed), 2u);  // Not a second connection.
}

}  // namespace
}  // namespace p2p::server
