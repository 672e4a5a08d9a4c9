// CheckInbound: the server connects to its caller's chat port, and to nobody else's.
#include <sys/socket.h>

#include <future>

#include "common/net/fd.h"
#include "tests/integration/peering_fixture.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;
using Response = v1::CheckInboundResponse;

// A socket on loopback: where a client would accept conversations.
class ChatPort {
 public:
  ChatPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    const socklen_t size = net::SocketAddress::Parse("127.0.0.1:0")->ToSockaddr(address);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    sockaddr_in own{};
    socklen_t own_size = sizeof own;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&own), &own_size);
    port_ = ntohs(own.sin_port);
  }
  uint16_t port() const { return port_; }
  void Listen() { ASSERT_EQ(::listen(fd_.get(), 4), 0); }
  // Accepts one connection, reads a probe, and answers what `answer` makes of it.
  template <class F>
  std::future<crypto::InboundProbe> Serve(F answer) {
    Listen();
    return std::async(std::launch::async, [this, answer] {
      const net::UniqueFd peer(::accept(fd_.get(), nullptr, nullptr));
      crypto::InboundProbe probe{};
      EXPECT_EQ(::recv(peer.get(), probe.data(), probe.size(), MSG_WAITALL),
                static_cast<ssize_t>(probe.size()));
      const Bytes reply = answer(probe);
      EXPECT_EQ(::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(reply.size()));
      return probe;
    });
  }

 private:
  net::UniqueFd fd_;
  uint16_t port_ = 0;
};

class PeeringInboundTest : public PeeringFixture {
 protected:
  void Begin() {
    Start();
    alice_ = NewPeer("alice", {.device = true, .chat_port = port_.port(), .lifetime = 1h});
    channel_ = alice_->Attach();
    const grpc::Status begun = alice_->CheckInbound();
    ASSERT_TRUE(begun.ok()) << begun.error_message();
    challenge_ = alice_->inbound.challenge();
    ASSERT_EQ(challenge_.size(), 32u);
    EXPECT_EQ(alice_->inbound.result(), Response::RESULT_UNSPECIFIED);
    EXPECT_EQ(alice_->inbound.ip_address(), "127.0.0.1");
    EXPECT_EQ(alice_->inbound.port(), port_.port());
  }
  crypto::InboundChallenge Challenge() const {
    crypto::InboundChallenge challenge{};
    std::copy(challenge_.begin(), challenge_.end(), challenge.begin());
    return challenge;
  }
  Response::Result Checked() {
    const grpc::Status status = alice_->CheckInbound(challenge_);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return alice_->inbound.result();
  }

  ChatPort port_;
  std::unique_ptr<TestPeer> alice_;
  std::unique_ptr<TestChannel> channel_;
  std::string challenge_;
};

TEST_F(PeeringInboundTest, AClientThatAnswersIsReached) {
  Begin();
  auto seen = port_.Serve([this](const crypto::InboundProbe& probe) {
    const crypto::Mac128 answer = crypto::InboundAnswer(Challenge(), probe);
    return Bytes(answer.begin(), answer.end());
  });
  EXPECT_EQ(Checked(), Response::REACHED);
  EXPECT_TRUE(crypto::InboundProbeMatches(Challenge(), seen.get()));
  // The challenge is used.
  EXPECT_EQ(alice_->CheckInbound(challenge_).error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(PeeringInboundTest, WhoOnlySendsTheProbeBackIsSomebodyElse) {
  Begin();
  auto seen = port_.Serve(
      [](const crypto::InboundProbe& probe) { return Bytes(probe.begin(), probe.begin() + 16); });
  EXPECT_EQ(Checked(), Response::SOMEBODY_ELSE);
  seen.get();
}

TEST_F(PeeringInboundTest, AClosedPortRefuses) {
  Begin();
  EXPECT_EQ(Checked(), Response::REFUSED);
}

TEST_F(PeeringInboundTest, ASilentListenerIsNotTheClient) {
  Begin();
  port_.Listen();
  EXPECT_EQ(Checked(), Response::SOMEBODY_ELSE);
}

TEST_F(PeeringInboundTest, NobodyElsesChallengeAndNoneTwice) {
  Begin();
  auto eve = NewPeer("eve");
  auto attached = eve->Attach();
  EXPECT_EQ(eve->CheckInbound(challenge_).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(alice_->CheckInbound(std::string(32, 'x')).error_code(),
            StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(alice_->CheckInbound("short").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Checked(), Response::REFUSED);  // Still good for its owner.
}

TEST_F(PeeringInboundTest, OnlyTheSessionThatIsAttached) {
  Begin();
  auto unattached = NewPeer("eve");
  EXPECT_EQ(unattached->CheckInbound().error_code(), StatusCode::FAILED_PRECONDITION);
  auto other_session = NewPeer("alice");  // Another device of hers, not attached.
  EXPECT_EQ(other_session->CheckInbound().error_code(), StatusCode::FAILED_PRECONDITION);
  other_session->authorization.clear();
  EXPECT_EQ(other_session->CheckInbound().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(PeeringInboundTest, ThreeInTenMinutes) {
  Begin();
  EXPECT_TRUE(alice_->CheckInbound().ok());
  EXPECT_TRUE(alice_->CheckInbound().ok());
  const grpc::Status fourth = alice_->CheckInbound();
  EXPECT_EQ(fourth.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_FALSE(fourth.error_details().empty());  // When to come again.
  auto eve = NewPeer("eve");
  auto attached = eve->Attach();
  EXPECT_TRUE(eve->CheckInbound().ok());  // Others have their own.
}

TEST_F(PeeringInboundTest, TheServersEndBreaksADialOff) {
  Begin();
  port_.Listen();
  auto answer = std::async(std::launch::async, [this] { return alice_->CheckInbound(challenge_); });
  ASSERT_TRUE(WaitUntil([this] { return inbound().dials() == 1; }));
  const auto begun = clock_.Mono();
  inbound().Stop();
  EXPECT_EQ(answer.get().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_LT(clock_.Mono() - begun, 2s);
}

}  // namespace
}  // namespace p2p::server
