// The client's control connection against a real TLS server on loopback: identity, capacity, loss.
#include "peer-client/control/control_client.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "common/net/fd.h"
#include "common/net/tls_probe.h"
#include "tests/fakes/control_server.h"

namespace p2p::client {
namespace {

using ::testing::HasSubstr;

std::string FingerprintOf(const crypto::PemPair& identity) {
  return crypto::FingerprintText(*crypto::SpkiDigest(identity.certificate));
}

struct Recorder final : ControlEvents {
  void OnProbe(Outcome<std::string> result) override { probe = std::move(result); }
  void OnHello(Outcome<HelloInfo> result) override { hello = std::move(result); }
  void OnSignup(Outcome<SignupInfo> result) override { signup = std::move(result); }
  void OnLogin(Outcome<Session> result) override { login = std::move(result); }
  void OnResumed(Outcome<Session> result) override { resumed = std::move(result); }
  void OnLogout(Outcome<Done> result) override { logout = std::move(result); }
  void OnList(Outcome<std::vector<out::ActiveClient>> result) override { list = std::move(result); }
  void OnRequest(Outcome<RequestInfo> result) override { request = std::move(result); }
  void OnBroadcast(Outcome<BroadcastInfo> result) override { broadcast = std::move(result); }
  void OnRequestStatus(Outcome<RequestStatusInfo>) override {}
  void OnBroadcastStatus(Outcome<out::BroadcastStatus>) override {}
  void OnPenalties(Outcome<out::Penalties>) override {}
  void OnInbound(Outcome<InboundInfo>) override {}
  void OnChannelEvent(ChannelEvent event) override { events.push_back(std::move(event)); }
  void OnChannelEnd(CallError error) override { end = std::move(error); }

  std::optional<Outcome<std::string>> probe;
  std::optional<Outcome<HelloInfo>> hello;
  std::optional<Outcome<SignupInfo>> signup;
  std::optional<Outcome<Session>> login;
  std::optional<Outcome<Session>> resumed;
  std::optional<Outcome<Done>> logout;
  std::optional<Outcome<std::vector<out::ActiveClient>>> list;
  std::optional<Outcome<RequestInfo>> request;
  std::optional<Outcome<BroadcastInfo>> broadcast;
  std::vector<ChannelEvent> events;
  std::optional<CallError> end;
};

class ControlClientTest : public ::testing::Test {
 protected:
  void MakeServer() { server_ = std::make_unique<FakeControlServer>(identity_); }
  void MakeClient(uint16_t port, std::optional<std::string> pin, std::string ca = "",
                  std::string host = "127.0.0.1") {
    ControlOptions options;
    options.host = std::move(host);
    options.port = port;
    options.pin = std::move(pin);
    options.ca_pem = std::move(ca);
    options.device_key = &device_;
    options.client_version = "test";
    options.timing.connect_deadline = 2s;
    options.timing.rpc_deadline = 2s;
    client_ = std::make_unique<ControlClient>(loop_, seen_, std::move(options));
  }
  template <class Condition>
  void RunUntil(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    while (!condition() && std::chrono::steady_clock::now() < end) {
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds(20));
    }
    ASSERT_TRUE(condition());
  }
  void Connect() {
    seen_.hello.reset();
    client_->Connect();
    RunUntil([&] { return seen_.hello.has_value(); });
  }
  CallError HelloError() { return std::get<CallError>(*seen_.hello); }
  void LogInAndAttach() {
    Connect();
    client_->Login("alice", "password");
    RunUntil([&] { return seen_.login.has_value(); });
    client_->UseToken(std::get<Session>(*seen_.login).token);
    client_->Attach(4400);
    RunUntil([&] { return !seen_.events.empty(); });
  }

  crypto::PemPair identity_ = MakeTestCertificate();
  const crypto::SigningKey device_ = crypto::SigningKey::Generate();
  asio::io_context loop_;
  Recorder seen_;
  std::unique_ptr<FakeControlServer> server_;
  std::unique_ptr<ControlClient> client_;
};

TEST_F(ControlClientTest, AProbeLearnsTheKeyAndSendsNothing) {
  MakeServer();
  MakeClient(server_->port(), std::nullopt);
  client_->Probe();
  RunUntil([&] { return seen_.probe.has_value(); });
  EXPECT_EQ(std::get<std::string>(*seen_.probe), FingerprintOf(identity_));
  EXPECT_EQ(server_->hellos(), 0);
  client_->Pin(FingerprintOf(identity_));
  Connect();
  const auto& hello = std::get<HelloInfo>(*seen_.hello);
  EXPECT_EQ(hello.server_name, "home");
  EXPECT_EQ(hello.fingerprint, FingerprintOf(identity_));
  EXPECT_EQ(hello.choices.size(), 2u);
}

TEST_F(ControlClientTest, AnotherKeyIsRefusedBeforeAnythingIsSaid) {
  MakeServer();
  const std::string pinned = FingerprintOf(MakeTestCertificate());
  MakeClient(server_->port(), pinned);
  Connect();
  EXPECT_EQ(HelloError().changed_fingerprint, FingerprintOf(identity_));
  EXPECT_FALSE(HelloError().answered);
  EXPECT_EQ(server_->hellos(), 0);
}

TEST_F(ControlClientTest, AnAuthorityVerifiesByNameInsteadOfAPin) {
  MakeServer();
  MakeClient(server_->port(), std::nullopt, identity_.certificate, "localhost");
  Connect();
  ASSERT_TRUE(std::holds_alternative<HelloInfo>(*seen_.hello)) << HelloError().message;
  EXPECT_EQ(std::get<HelloInfo>(*seen_.hello).fingerprint, FingerprintOf(identity_));
  MakeClient(server_->port(), std::nullopt, MakeTestCertificate().certificate, "localhost");
  Connect();
  ASSERT_TRUE(std::holds_alternative<CallError>(*seen_.hello));
  EXPECT_EQ(HelloError().message, "the server's certificate was refused");
  EXPECT_EQ(server_->hellos(), 1);
}

TEST_F(ControlClientTest, FullAndUnreachableAndSilentAreToldApart) {
  MakeServer();
  server_->hello = {grpc::StatusCode::RESOURCE_EXHAUSTED, "full: 50 of 50"};
  MakeClient(server_->port(), FingerprintOf(identity_));
  Connect();
  EXPECT_TRUE(HelloError().answered);
  EXPECT_EQ(HelloError().code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(HelloError().message, "full: 50 of 50");

  const uint16_t port = server_->port();
  server_->Kill();
  MakeClient(port, FingerprintOf(identity_));
  Connect();
  EXPECT_FALSE(HelloError().answered);
  EXPECT_EQ(HelloError().message, "nobody listens there");

  // Listens, takes the connection, never says anything.
  const net::UniqueFd silent(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(silent.get(), 8), 0);
  ::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size);
  MakeClient(ntohs(address.sin_port), FingerprintOf(identity_));
  Connect();
  EXPECT_FALSE(HelloError().answered);
  EXPECT_EQ(HelloError().message, "no answer in time");
}

TEST_F(ControlClientTest, AServersUnavailableIsAnAnswer) {
  MakeServer();
  MakeClient(server_->port(), FingerprintOf(identity_));
  LogInAndAttach();
  server_->request = {grpc::StatusCode::UNAVAILABLE, "just started"};
  client_->Request("bob", false, "", {});
  RunUntil([&] { return seen_.request.has_value(); });
  const auto& error = std::get<CallError>(*seen_.request);
  EXPECT_TRUE(error.answered);
  EXPECT_EQ(error.message, "just started");
}

TEST_F(ControlClientTest, TheListIsReadPageByPageWithTheToken) {
  MakeServer();
  server_->pages = 3;
  MakeClient(server_->port(), FingerprintOf(identity_));
  LogInAndAttach();
  client_->List();
  RunUntil([&] { return seen_.list.has_value(); });
  const auto& clients = std::get<std::vector<out::ActiveClient>>(*seen_.list);
  ASSERT_EQ(clients.size(), 3u);
  EXPECT_EQ(clients[2].username, "user2");
  client_->UseToken(SecretText());
  seen_.list.reset();
  client_->List();
  RunUntil([&] { return seen_.list.has_value(); });
  EXPECT_EQ(std::get<CallError>(*seen_.list).code, absl::StatusCode::kUnauthenticated);
}

TEST_F(ControlClientTest, TheChannelCarriesEventsBothWaysAndEndsCleanly) {
  MakeServer();
  MakeClient(server_->port(), FingerprintOf(identity_));
  LogInAndAttach();
  EXPECT_EQ(std::get<event::Attached>(seen_.events[0]).reconnect_window, 700ms);
  for (int i = 0; i < 100; ++i) {
    v1::ServerEvent event;
    event.mutable_peer_request()->set_request_id(absl::StrCat("r", i));
    server_->Push(event);
  }
  RunUntil([&] { return seen_.events.size() == 101; });
  EXPECT_EQ(std::get<event::PeerRequest>(seen_.events[100]).request_id, "r99");
  for (int i = 0; i < 100; ++i) client_->Deny(absl::StrCat("r", i));
  RunUntil([&] { return server_->last_event() == "deny { request_id: \"r99\" }"; });
  bool closed = false;
  client_->CloseChannel([&] { closed = true; });
  RunUntil([&] { return closed; });
  EXPECT_EQ(server_->last_event(), "closed");
  EXPECT_FALSE(seen_.end.has_value());
}

TEST_F(ControlClientTest, ALostChannelIsNoAnswerAndARefusedOneIs) {
  MakeServer();
  MakeClient(server_->port(), FingerprintOf(identity_));
  LogInAndAttach();
  const uint16_t port = server_->port();
  server_->Kill();
  RunUntil([&] { return seen_.end.has_value(); });
  EXPECT_FALSE(seen_.end->answered && seen_.end->code == absl::StatusCode::kUnauthenticated);
  client_.reset();

  server_ = std::make_unique<FakeControlServer>(identity_, port);
  server_->end_channel = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "unknown token");
  seen_ = {};
  MakeClient(port, FingerprintOf(identity_));
  Connect();
  client_->Attach(4400);
  RunUntil([&] { return seen_.end.has_value(); });
  EXPECT_TRUE(seen_.end->answered);
  EXPECT_EQ(seen_.end->code, absl::StatusCode::kUnauthenticated);
}

TEST_F(ControlClientTest, ADroppedConnectionsAnswersNeverCome) {
  MakeServer();
  MakeClient(server_->port(), FingerprintOf(identity_));
  LogInAndAttach();
  client_->List();
  client_->Disconnect();
  client_->List();  // Without a connection: told so.
  RunUntil([&] { return seen_.list.has_value(); });
  EXPECT_FALSE(std::get<CallError>(*seen_.list).answered);
  // Turns of the loop in which the end of the old channel arrives.
  RunUntil([&] { return server_->last_event() == "closed"; });
  for (int i = 0; i < 50; ++i) loop_.poll();
  EXPECT_FALSE(seen_.end.has_value());
}

TEST_F(ControlClientTest, DestructionInTheMiddleOfEverythingIsClean) {
  MakeServer();
  for (int i = 0; i < 20; ++i) {
    MakeClient(server_->port(), FingerprintOf(identity_));
    LogInAndAttach();
    client_->List();
    client_->Broadcast("x", "k", 0);
    client_.reset();
    loop_.restart();
    loop_.poll();
    seen_ = {};
  }
}

TEST(TlsProbeTest, SaysWhatIsWrongAndCanBeCancelled) {
  std::atomic<bool> cancelled = false;
  const net::UniqueFd silent(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const uint16_t port = ntohs(address.sin_port);
  // Bound, not listening.
  const auto refused = net::ProbeTlsKey("127.0.0.1", port, 2s, cancelled);
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  ASSERT_EQ(::listen(silent.get(), 8), 0);
  const auto late = net::ProbeTlsKey("127.0.0.1", port, 200ms, cancelled);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
  cancelled = true;
  const auto stopped = net::ProbeTlsKey("127.0.0.1", port, 60s, cancelled);
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
}

}  // namespace
}  // namespace p2p::client
