// The relay's end of the link against a server of a few lines: what it says, obeys and survives.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/crypto/os_random.h"
#include "common/relay/relay_token.h"
#include "common/rpc/quiet_grpc.h"
#include "tests/fakes/control_server.h"
#include "udp-relay/link/link_client.h"

namespace p2p::relay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ConnId kAnn{{1, 2, 3}};
const BroadcastId kNews{{4, 5, 6}};

bool WaitUntil(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

// Accepts every link with `token`, registers it, and writes down what it reports.
class LinkServer final : private v1::RelayLink::Service {
 public:
  LinkServer(const crypto::PemPair& identity, std::string token, int port = 0)
      : token_(std::move(token)) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({identity.private_key, identity.certificate});
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::SslServerCredentials(options),
                             &port_);
    builder.RegisterService(static_cast<v1::RelayLink::Service*>(this));
    server_ = builder.BuildAndStart();
    P2P_CHECK(server_ != nullptr);
  }
  ~LinkServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  uint16_t port() const { return static_cast<uint16_t>(port_); }
  int links() {
    MutexLock lock(mu_);
    return links_;
  }
  // Everything reported so far, in short.
  std::vector<std::string> reports() {
    MutexLock lock(mu_);
    return reports_;
  }
  // Links from now on are not answered.
  void BeSilent() {
    MutexLock lock(mu_);
    silent_ = true;
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::RelayOrders, v1::RelayReports>;

  grpc::Status Link(grpc::ServerContext* context, Stream* stream) override {
    const auto header = context->client_metadata().find("authorization");
    if (header == context->client_metadata().end() ||
        header->second != absl::StrCat("Bearer ", token_)) {
      return {grpc::StatusCode::UNAUTHENTICATED, "not the token"};
    }
    bool silent = false;
    {
      MutexLock lock(mu_);
      ++links_;
      silent = silent_;
    }
    v1::RelayReports reports;
    while (stream->Read(&reports)) {
      for (const auto& report : reports.reports()) {
        Note(report);
        if (report.has_register_() && !silent) Feed(*stream);
      }
    }
    Note("closed");
    return grpc::Status::OK;
  }
  void Feed(Stream& stream) {
    v1::RelayOrders orders;
    orders.add_orders()->mutable_registered();
    auto* session = orders.add_orders()->mutable_add_session();
    session->set_conn_id(ToString(kAnn.view()));
    session->set_psk(std::string(32, 'k'));
    orders.add_orders()->mutable_queue()->set_conn_id("malformed");
    stream.Write(orders);
  }
  void Note(const v1::RelayReport& report) {
    switch (report.report_case()) {
      case v1::RelayReport::kRegister:
        return Note(absl::StrCat("register ", report.register_().version(), " ",
                                 report.register_().advertise_address(), ":",
                                 report.register_().advertise_port()));
      case v1::RelayReport::kDelivered:
        return Note("delivered");
      case v1::RelayReport::kSessionState:
        return Note(report.session_state().reachable() ? "up" : "down");
      case v1::RelayReport::kDraining:
        return Note("draining");
      case v1::RelayReport::REPORT_NOT_SET:
        return Note("nothing");
    }
  }
  void Note(std::string note) {
    MutexLock lock(mu_);
    reports_.push_back(std::move(note));
  }

  const std::string token_;
  int port_ = 0;
  Mutex mu_;
  int links_ ABSL_GUARDED_BY(mu_) = 0;
  bool silent_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::string> reports_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<grpc::Server> server_;
};

// Knows how often it was told to start over.
class CountingPort final : public RelayPort {
 public:
  void AddSession(ConnId, Secret<32>) override { ++sessions; }
  void RemoveSession(ConnId) override {}
  void AddBroadcast(SignedBroadcastPtr, MonoTime) override {}
  void RemoveBroadcast(BroadcastId) override {}
  void Queue(ConnId, BroadcastId) override { ++queued; }
  std::atomic<int> sessions = 0;
  std::atomic<int> queued = 0;
};

class LinkClientTest : public ::testing::Test, public LinkListener {
 protected:
  static void SetUpTestSuite() { rpc::QuietGrpc(); }
  LinkClientTest() : work_(asio::make_work_guard(loop_)) {
    char name[] = "/tmp/p2p-link-XXXXXX";
    const int fd = ::mkstemp(name);  // Mode 0600.
    ::close(fd);
    options_.token_file = name;
    WriteToken(kToken);
    options_.host = "127.0.0.1";
    options_.version = "test";
    options_.advertise_ip = "10.0.0.7";
    options_.advertise_port = 4400;
    options_.fingerprint = crypto::FingerprintText(*crypto::SpkiDigest(identity_.certificate));
    options_.timing.reconnect_first = 20ms;
    options_.timing.reconnect_max = 100ms;
  }
  ~LinkClientTest() override {
    Stop();
    std::remove(options_.token_file.c_str());
  }
  void WriteToken(const std::string& token) { std::ofstream(options_.token_file) << token; }
  void Start(uint16_t port) {
    options_.port = port;
    client_ =
        std::make_unique<LinkClient>(loop_, clock_, random_, options_, reports_, port_, *this);
    client_->Start();
    thread_ = std::thread([this] { loop_.run(); });
  }
  void Stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    client_.reset();
  }
  template <class F>
  void OnLoop(F work) {
    asio::post(loop_, work);
  }

  // LinkListener.
  void OnLinked() override { ++linked_; }
  void OnRefused(const absl::Status& why) override {
    refusal_ = why;
    refused_ = true;
  }
  void OnClosed() override { ++closed_; }

  static constexpr char kToken[] = "0123456789012345678901234567890123456789012";
  const crypto::PemPair identity_ = MakeTestCertificate();
  LinkOptions options_;
  SystemClock clock_;
  crypto::OsRandom random_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  CountingPort port_;
  ReportQueue reports_{[this] { asio::post(loop_, [this] { client_->OnReports(); }); }};
  std::unique_ptr<LinkClient> client_;
  std::atomic<int> linked_ = 0;
  std::atomic<int> closed_ = 0;
  std::atomic<bool> refused_ = false;
  absl::Status refusal_;
  std::thread thread_;
};

TEST_F(LinkClientTest, RegistersCarriesOutOrdersAndReports) {
  LinkServer server(identity_, kToken);
  Start(server.port());
  // The malformed order may be the last of the three to be looked at.
  ASSERT_TRUE(WaitUntil([&] {
    return port_.sessions == 1 && client_->counters().Get(LinkCount::kMalformedOrders) == 1;
  }));
  EXPECT_EQ(linked_, 1);
  EXPECT_EQ(port_.queued, 0);
  reports_.OnReachable(kAnn, true);
  reports_.OnDelivered(kAnn, kNews);
  EXPECT_TRUE(WaitUntil([&] { return server.reports().size() == 3; }));
  EXPECT_THAT(server.reports(), ElementsAre("register test 10.0.0.7:4400", "up", "delivered"));
}

TEST_F(LinkClientTest, WaitsForAServerThatComesLater) {
  uint16_t port = 0;
  {
    LinkServer first(identity_, kToken);
    port = first.port();
  }
  Start(port);
  ASSERT_TRUE(WaitUntil([&] { return client_->counters().Get(LinkCount::kTries) >= 3; }));
  LinkServer server(identity_, kToken, port);
  EXPECT_TRUE(WaitUntil([&] { return linked_ == 1; }));
  EXPECT_FALSE(refused_);
}

TEST_F(LinkClientTest, AfterALossDeliveriesAreReportedAndStatesAreNot) {
  auto server = std::make_unique<LinkServer>(identity_, kToken);
  Start(server->port());
  ASSERT_TRUE(WaitUntil([&] { return linked_ == 1; }));
  const uint16_t port = server->port();
  server.reset();
  ASSERT_TRUE(WaitUntil([&] { return client_->counters().Get(LinkCount::kTries) >= 2; }));
  reports_.OnReachable(kAnn, true);
  reports_.OnDelivered(kAnn, kNews);
  // One try more fails, and with it goes what it would have said of states.
  const uint64_t tries = client_->counters().Get(LinkCount::kTries);
  ASSERT_TRUE(WaitUntil([&] { return client_->counters().Get(LinkCount::kTries) > tries + 1; }));
  LinkServer again(identity_, kToken, port);
  ASSERT_TRUE(WaitUntil([&] { return again.reports().size() == 2; }));
  EXPECT_THAT(again.reports(), ElementsAre("register test 10.0.0.7:4400", "delivered"));
}

TEST_F(LinkClientTest, AWorkerThatLostItsSessionsIsLinkedAnew) {
  LinkServer server(identity_, kToken);
  Start(server.port());
  ASSERT_TRUE(WaitUntil([&] { return linked_ == 1; }));
  reports_.OnRelayRestarted();
  EXPECT_TRUE(WaitUntil([&] { return linked_ == 2 && port_.sessions == 2; }));
  EXPECT_EQ(server.links(), 2);
}

TEST_F(LinkClientTest, AServerThatDoesNotAnswerIsLeft) {
  options_.timing.rpc_deadline = 100ms;
  LinkServer server(identity_, kToken);
  server.BeSilent();
  Start(server.port());
  EXPECT_TRUE(WaitUntil([&] { return server.links() >= 2; }));
  EXPECT_EQ(linked_, 0);
}

TEST_F(LinkClientTest, AWrongTokenIsFinalAtFirst) {
  LinkServer server(identity_, "another");
  Start(server.port());
  ASSERT_TRUE(WaitUntil([&] { return refused_.load(); }));
  EXPECT_TRUE(absl::IsUnauthenticated(refusal_)) << refusal_;
  EXPECT_THAT(std::string(refusal_.message()), HasSubstr(options_.token_file));
}

TEST_F(LinkClientTest, AWrongTokenLaterIsNotSinceItMayBeRenewed) {
  auto server = std::make_unique<LinkServer>(identity_, kToken);
  Start(server->port());
  ASSERT_TRUE(WaitUntil([&] { return linked_ == 1; }));
  const uint16_t port = server->port();
  server.reset();
  const std::string renewed(43, 'r');
  LinkServer again(identity_, renewed, port);
  const uint64_t tries = client_->counters().Get(LinkCount::kTries);
  ASSERT_TRUE(WaitUntil([&] { return client_->counters().Get(LinkCount::kTries) > tries + 2; }));
  WriteToken(renewed);
  EXPECT_TRUE(WaitUntil([&] { return linked_ == 2; }));
  EXPECT_FALSE(refused_);
}

TEST_F(LinkClientTest, AnotherServerKeyIsRefusedAndGetsNoToken) {
  LinkServer impostor(MakeTestCertificate(), kToken);
  Start(impostor.port());
  ASSERT_TRUE(WaitUntil([&] { return refused_.load(); }));
  EXPECT_TRUE(absl::IsUnauthenticated(refusal_));
  EXPECT_EQ(impostor.links(), 0);
}

TEST_F(LinkClientTest, SaysGoodByeAfterTheLastReport) {
  LinkServer server(identity_, kToken);
  Start(server.port());
  ASSERT_TRUE(WaitUntil([&] { return linked_ == 1; }));
  OnLoop([this] { client_->Drain(); });
  for (int i = 0; i < 3000; ++i) reports_.OnDelivered(kAnn, kNews);
  OnLoop([this] { client_->Close(); });
  ASSERT_TRUE(WaitUntil([&] { return closed_ == 1; }));
  const auto reports = server.reports();
  ASSERT_EQ(reports.size(), 3003u);
  // Deliveries come from another thread: they may be said before "draining", never after "closed".
  EXPECT_EQ(std::count(reports.begin(), reports.end(), "draining"), 1);
  EXPECT_EQ(reports.back(), "closed");
  reports_.OnDelivered(kAnn, kNews);  // Too late; harmless.
}

TEST_F(LinkClientTest, WhenTheServerDiesDuringADrainTheLinkIsOver) {
  auto server = std::make_unique<LinkServer>(identity_, kToken);
  Start(server->port());
  ASSERT_TRUE(WaitUntil([&] { return linked_ == 1; }));
  OnLoop([this] { client_->Drain(); });
  ASSERT_TRUE(WaitUntil([&] { return server->reports().back() == "draining"; }));
  server.reset();
  EXPECT_TRUE(WaitUntil([&] { return closed_ == 1; }));
}

TEST_F(LinkClientTest, CanBeDestroyedWhileLinkedAndWhileItTries) {
  {
    LinkServer server(identity_, kToken);
    Start(server.port());
    ASSERT_TRUE(WaitUntil([&] { return linked_ == 1; }));
    Stop();
    loop_.restart();
  }
  Start(options_.port);
  Stop();
}

}  // namespace
}  // namespace p2p::relay
