// A control-server and a relay process's parts in this process, between them RelayLink over TLS,
// and members with real sockets.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <fstream>
#include <list>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/crypto/certificate.h"
#include "common/crypto/os_random.h"
#include "common/relay/relay_token.h"
#include "control-server/grpc_front.h"
#include "control-server/relay_link/relay_link_service.h"
#include "p2p/v1/broadcast.grpc.pb.h"
#include "p2p/v1/peering.grpc.pb.h"
#include "p2p/v1/relay_link.grpc.pb.h"
#include "peer-client/broadcast/broadcast_receiver.h"
#include "tests/integration/server_fixture.h"
#include "udp-relay/relay_process.h"

namespace p2p::server {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A relay process without the process.
class RelayRun {
 public:
  explicit RelayRun(relay::ProcessOptions options) {
    auto process = relay::RelayProcess::Create(
        std::move(options), clock_, [this](const net::SocketAddress&) { ready_ = true; });
    EXPECT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
    thread_ = std::thread([this] {
      result_ = process_->Run();
      ended_ = true;
    });
  }
  ~RelayRun() { (void)Stop(); }

  bool ready() const { return ready_; }
  bool ended() const { return ended_; }
  // As by SIGTERM; what Run returned.
  absl::Status Stop() {
    if (!thread_.joinable()) return result_;
    process_->Stop();
    return Await();
  }
  absl::Status Await() {
    if (thread_.joinable()) thread_.join();
    return result_;
  }

 private:
  SystemClock clock_;
  std::atomic<bool> ready_ = false;
  std::atomic<bool> ended_ = false;
  absl::Status result_;
  std::unique_ptr<relay::RelayProcess> process_;
  std::thread thread_;
};

// A member with one open channel and a real receiver; answers as a client does.
class Member final : public client::BroadcastListener {
 public:
  Member(TestCaller caller, const std::string& name, const std::string& journal,
         const config::Timing& timing)
      : caller_(std::move(caller)), work_(asio::make_work_guard(io_)) {
    EXPECT_TRUE(caller_.Signup(name, "a good password", "a good password").ok());
    v1::LoginRequest login;
    login.set_username(name);
    login.set_password("a good password");
    login.set_device_public_key(std::string(32, 'k'));
    login.mutable_chat_endpoint()->set_port(4401);
    EXPECT_TRUE(caller_.Login(login).ok());
    auto receiver = client::BroadcastReceiver::Create({.journal_path = journal, .timing = timing},
                                                      io_, clock_, random_, *this);
    EXPECT_TRUE(receiver.ok()) << receiver.status();
    receiver_ = *std::move(receiver);
    peering_ = v1::PeeringService::NewStub(caller_.channel());
    broadcasts_ = v1::BroadcastService::NewStub(caller_.channel());
    context_.AddMetadata("authorization", caller_.authorization);
    stream_ = peering_->ApprovalChannel(&context_);
    v1::ClientEvent attach;
    attach.mutable_attach();
    EXPECT_TRUE(stream_->Write(attach));
    loop_ = std::thread([this] { io_.run(); });
    reader_ = std::thread([this] { ReadChannel(); });
    EXPECT_TRUE(WaitUntil([this] { return attached_.load(); }));
  }
  ~Member() override {
    context_.TryCancel();
    reader_.join();
    io_.stop();
    loop_.join();
    receiver_.reset();
    (void)stream_->Finish();
  }

  std::string Broadcast(const std::string& text) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", caller_.authorization);
    v1::BroadcastRequest request;
    request.set_text(text);
    v1::BroadcastResponse response;
    const auto status = broadcasts_->Broadcast(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.broadcast_id();
  }
  // What the server's ledger says of a broadcast of this member.
  v1::GetBroadcastResponse Ledger(const std::string& id) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", caller_.authorization);
    v1::GetBroadcastRequest request;
    request.set_broadcast_id(id);
    v1::GetBroadcastResponse response;
    const auto status = broadcasts_->GetBroadcast(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  int TimesShown(const std::string& id) {
    MutexLock lock(mu_);
    return shown_[id];
  }
  int relay_restarts() const { return relay_restarts_; }

 private:
  void OnBroadcast(const client::BroadcastMessage& message) override {
    {
      MutexLock lock(mu_);
      ++shown_[message.id.Hex()];
    }
    receiver_->MarkShown(message.id);
  }
  void OnUdpState(client::UdpState) override {}
  void OnJournalFailed(const absl::Status& status) override { ADD_FAILURE() << status; }

  void ReadChannel() {
    v1::ServerEvent event;
    while (stream_->Read(&event)) {
      if (event.has_attached()) {
        Attach(event.attached().conn_id(), event.attached().relay_psk(), event.attached().relay());
        attached_ = true;
      } else if (event.has_relay_restarted()) {
        const auto& in = event.relay_restarted();
        Attach(in.conn_id(), in.relay_psk(), in.relay());
        ++relay_restarts_;
      } else if (event.has_broadcast()) {
        asio::post(io_, [this, in = event.broadcast()] {
          const auto kept = receiver_->OnChannelBroadcast(*BroadcastId::FromHex(in.broadcast_id()),
                                                          AsBytes(in.signed_object()),
                                                          AsBytes(in.signature()), in.text());
          if (!kept.ok()) return;
          v1::ClientEvent ack;
          ack.mutable_broadcast_ack()->set_broadcast_id(in.broadcast_id());
          stream_->Write(ack);
        });
      }
    }
  }
  void Attach(const std::string& conn, const std::string& psk, const v1::Endpoint& relay) {
    client::AttachInfo info;
    info.conn_id = *ConnId::FromBytes(AsBytes(conn));
    std::copy(psk.begin(), psk.end(), info.psk.mutable_view().begin());
    if (relay.port() != 0) {
      // Without an address the relay is where the server is.
      const std::string ip = relay.ip_address().empty() ? "127.0.0.1" : relay.ip_address();
      info.relay = net::SocketAddress{net::IpAddress::Parse(ip).value(),
                                      static_cast<uint16_t>(relay.port())};
    }
    const std::string& key = caller_.login.server_keys().broadcast_public_key();
    std::copy(key.begin(), key.end(), info.broadcast_public_key.begin());
    info.server_time = clock_.Wall();
    asio::post(io_, [this, info = std::make_shared<client::AttachInfo>(std::move(info))] {
      receiver_->Attach(std::move(*info));
    });
  }

  TestCaller caller_;
  SystemClock clock_;
  crypto::OsRandom random_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::unique_ptr<client::BroadcastReceiver> receiver_;
  std::unique_ptr<v1::PeeringService::Stub> peering_;
  std::unique_ptr<v1::BroadcastService::Stub> broadcasts_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ClientEvent, v1::ServerEvent>> stream_;
  std::atomic<bool> attached_ = false;
  std::atomic<int> relay_restarts_ = 0;
  Mutex mu_;
  std::map<std::string, int> shown_ ABSL_GUARDED_BY(mu_);
  std::thread loop_;
  std::thread reader_;
};

class RelayLinkTest : public ServerFixture {
 protected:
  void SetUp() override {
    const SecretText token = relay::MakeRelayToken(random_);
    token_ = std::string(token.view());
    token_file_ = absl::StrCat(files_.path(), "/relay.token");
    WriteToken(token_);
    options_.relay_token_file = token_file_;
  }
  void WriteToken(const std::string& text) {
    std::ofstream(token_file_) << text << "\n";
    ASSERT_EQ(::chmod(token_file_.c_str(), 0600), 0);
  }
  std::unique_ptr<RelayRun> StartRelay() {
    relay::ProcessOptions options;
    options.listen = *net::SocketAddress::Parse("127.0.0.1:0");
    options.link.host = "127.0.0.1";
    options.link.port = server_->address().port;
    options.link.fingerprint = server_->identity().fingerprint;
    options.link.token_file = token_file_;
    options.link.advertise_ip = "127.0.0.1";
    options.link.timing = options_.timing;
    options.link.timing.reconnect_first = 50ms;
    options.link.timing.reconnect_max = 200ms;
    return std::make_unique<RelayRun>(std::move(options));
  }
  Member& Join(const std::string& name) {
    return members_.emplace_back(NewCaller(), name, absl::StrCat(files_.path(), "/", name),
                                 options_.timing);
  }
  bool AllShown(const std::string& id) {
    return WaitUntil([&] {
      for (Member& member : members_) {
        if (member.TimesShown(id) == 0) return false;
      }
      return true;
    });
  }
  // How each due member got it, once everybody did.
  std::vector<v1::DeliveryState> Ways(Member& sender, const std::string& id) {
    std::vector<v1::DeliveryState> ways;
    EXPECT_TRUE(WaitUntil([&] {
      ways.clear();
      const auto ledger = sender.Ledger(id);
      for (const auto& delivery : ledger.deliveries()) ways.push_back(delivery.state());
      return ways.size() == members_.size() &&
             std::find(ways.begin(), ways.end(), v1::QUEUED) == ways.end();
    }));
    return ways;
  }
  // One whose flow-control window stays at 64 KiB; by default it follows the speed of loopback.
  std::shared_ptr<grpc::Channel> ChannelOfFixedWindow() {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = server_->identity().certificate.certificate;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    return grpc::CreateCustomChannel(server_->address().ToString(), grpc::SslCredentials(tls),
                                     arguments);
  }
  size_t relays() {
    server_->connections().Sweep();
    return server_->connections().figures().relays;
  }

  crypto::OsRandom random_;
  TemporaryDirectory files_;
  std::string token_;
  std::string token_file_;
  std::list<Member> members_;
};

TEST_F(RelayLinkTest, WhatTheRelayDeliversStandsInTheServersLedger) {
  StartServer();
  const auto relay = StartRelay();
  ASSERT_TRUE(WaitUntil([&] { return relay->ready(); }));
  for (int i = 0; i < 5; ++i) Join(absl::StrCat("member", i));
  Member& sender = members_.front();
  for (const std::string& text : {std::string("short"), std::string(60 * 1024, 'x')}) {
    const std::string id = sender.Broadcast(text);
    ASSERT_TRUE(AllShown(id));
    EXPECT_THAT(Ways(sender, id), Each(v1::DELIVERED_UDP));
    for (Member& member : members_) EXPECT_EQ(member.TimesShown(id), 1);
  }
  EXPECT_EQ(relays(), 1u);
  members_.clear();
  EXPECT_TRUE(relay->Stop().ok());
}

TEST_F(RelayLinkTest, ADrainInTheMiddleLosesAndDoublesNothing) {
  StartServer();
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) Join(absl::StrCat("member", i));
  Member& sender = members_.front();
  for (int round = 0; round < 5; ++round) {
    const auto relay = StartRelay();
    ASSERT_TRUE(WaitUntil([&] { return relay->ready(); }));
    for (int i = 0; i < 3; ++i) ids.push_back(sender.Broadcast(absl::StrCat(round, " ", i)));
    EXPECT_TRUE(relay->Stop().ok());  // While they are on their way.
    ids.push_back(sender.Broadcast("without a relay"));
  }
  for (const std::string& id : ids) {
    ASSERT_TRUE(AllShown(id));
    EXPECT_THAT(Ways(sender, id), SizeIs(members_.size()));
  }
  for (const std::string& id : ids) {
    for (Member& member : members_) EXPECT_EQ(member.TimesShown(id), 1) << id;
  }
}

TEST_F(RelayLinkTest, ARelayOutlivesItsServerAndATokenThatWasRenewed) {
  StartServer();
  const auto relay = StartRelay();
  ASSERT_TRUE(WaitUntil([&] { return relay->ready(); }));
  const net::SocketAddress address = server_->address();
  StopServer();
  const SecretText renewed = relay::MakeRelayToken(random_);
  WriteToken(std::string(renewed.view()));
  options_.listen = address;
  auto server = Server::Start(options_, clock_, [](const absl::Status&) {});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  ASSERT_TRUE(WaitUntil([&] { return relays() == 1; }));
  Member& member = Join("member");
  const std::string id = member.Broadcast("again");
  ASSERT_TRUE(AllShown(id));
  EXPECT_FALSE(relay->ended());
}

// A relay of a few lines that need not behave.
class RawLink {
 public:
  RawLink(std::shared_ptr<grpc::Channel> channel, const std::string& authorization)
      : stub_(v1::RelayLink::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
    stream_ = stub_->Link(&context_);
  }
  void Write(const v1::RelayReports& reports) { stream_->Write(reports); }
  void Register(uint32_t port = 4400) {
    v1::RelayReports reports;
    reports.add_reports()->mutable_register_()->set_advertise_port(port);
    Write(reports);
  }
  // The first order; false when the stream ended.
  bool AwaitRegistered() {
    v1::RelayOrders orders;
    return stream_->Read(&orders) && orders.orders(0).has_registered();
  }
  void Cancel() { context_.TryCancel(); }
  // Reads to the end.
  grpc::Status Finish() {
    v1::RelayOrders orders;
    while (stream_->Read(&orders)) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::RelayLink::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RelayReports, v1::RelayOrders>> stream_;
};

TEST_F(RelayLinkTest, OnlyTheTokenOpensTheLinkAndOthersAreCut) {
  StartServer();
  for (const std::string& wrong : {std::string(), absl::StrCat("Bearer ", token_.substr(1)),
                                   absl::StrCat("Bearer ", token_, "x"), token_,
                                   absl::StrCat("bearer ", token_), std::string("Bearer ")}) {
    RawLink link(NewCaller().channel(), wrong);
    EXPECT_EQ(link.Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED) << wrong.size();
  }
  EXPECT_EQ(relays(), 0u);
  EXPECT_TRUE(WaitUntil([&] {
    server_->connections().Sweep();
    return server_->connections().figures().served == 0;
  }));
}

TEST_F(RelayLinkTest, WithoutATokenFileThereIsNoLink) {
  options_.relay_token_file.clear();
  StartServer();
  RawLink link(NewCaller().channel(), absl::StrCat("Bearer ", token_));
  EXPECT_EQ(link.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(RelayLinkTest, ARelayThatMisbehavesIsEndedAndTheNextOneServed) {
  StartServer();
  const std::string authorization = absl::StrCat("Bearer ", token_);
  {
    RawLink silent_first(NewCaller().channel(), authorization);
    v1::RelayReports reports;
    reports.add_reports()->mutable_draining();
    silent_first.Write(reports);
    const auto status = silent_first.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(), HasSubstr("first"));
  }
  {
    RawLink nowhere(NewCaller().channel(), authorization);
    nowhere.Register(0);
    EXPECT_EQ(nowhere.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    RawLink twice(NewCaller().channel(), authorization);
    twice.Register();
    ASSERT_TRUE(twice.AwaitRegistered());
    twice.Register();
    EXPECT_EQ(twice.Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  RawLink confused(NewCaller().channel(), authorization);
  confused.Register();
  ASSERT_TRUE(confused.AwaitRegistered());
  v1::RelayReports nonsense;
  nonsense.add_reports();
  nonsense.add_reports()->mutable_delivered()->set_conn_id("short");
  nonsense.add_reports()->mutable_session_state()->set_conn_id(std::string(9, 'x'));
  auto* unknown = nonsense.add_reports()->mutable_delivered();
  unknown->set_conn_id(std::string(8, 'u'));
  unknown->set_broadcast_id(std::string(16, 'u'));
  confused.Write(nonsense);
  // It lives on, and is the one: another is told so.
  RawLink second(NewCaller().channel(), authorization);
  EXPECT_EQ(second.Finish().error_code(), grpc::StatusCode::ALREADY_EXISTS);
  confused.Cancel();
  EXPECT_EQ(confused.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(WaitUntil([&] { return relays() == 0; }));
}

TEST_F(RelayLinkTest, ARelayThatDoesNotReadIsCutAndTheChannelsCarryOn) {
  options_.timing.slow_reader = 200ms;
  StartServer();
  RawLink stuck(ChannelOfFixedWindow(), absl::StrCat("Bearer ", token_));
  stuck.Register();
  ASSERT_TRUE(stuck.AwaitRegistered());
  Member& member = Join("member");
  std::vector<std::string> ids;
  // More than the flow-control window takes in.
  for (int i = 0; i < 20; ++i) ids.push_back(member.Broadcast(std::string(60 * 1024, 'x')));
  EXPECT_TRUE(WaitUntil([&] {
    server_->Housekeep();
    return relays() == 0;
  }));
  for (const std::string& id : ids) ASSERT_TRUE(AllShown(id));
  EXPECT_THAT(Ways(member, ids.back()), Each(v1::DELIVERED_CHANNEL));
  EXPECT_EQ(stuck.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// The far end of a link, as far as orders go.
class CountingPort final : public relay::RelayPort {
 public:
  void AddSession(ConnId, Secret<32>) override { ++sessions; }
  void RemoveSession(ConnId) override {}
  void AddBroadcast(relay::SignedBroadcastPtr, MonoTime) override { ++broadcasts; }
  void RemoveBroadcast(BroadcastId) override {}
  void Queue(ConnId, BroadcastId) override {
    // Orders keep their order: a session and a broadcast come before what is queued.
    if (sessions == kSessions && broadcasts == 1) ++queued;
  }
  static constexpr int kSessions = 10'000;
  std::atomic<int> sessions = 0;
  std::atomic<int> broadcasts = 0;
  std::atomic<int> queued = 0;
};

class IgnoringEvents final : public relay::RelayEvents {
 public:
  void OnDelivered(ConnId, BroadcastId) override { ++delivered; }
  void OnReachable(ConnId, bool) override {}
  void OnRelayRestarted() override { restarted = true; }
  std::atomic<int> delivered = 0;
  std::atomic<bool> restarted = false;
};

class IgnoringListener final : public relay::LinkListener {
 public:
  void OnLinked() override {}
  void OnRefused(const absl::Status& why) override { ADD_FAILURE() << why; }
  void OnClosed() override {}
};

TEST_F(RelayLinkTest, TenThousandSessionsAreFedAndReportedInBatches) {
  const auto identity = crypto::MakeServerCertificate({"localhost"}, {"127.0.0.1"}, clock_.Wall());
  ASSERT_TRUE(identity.ok());
  auto front = GrpcFront::Create({.listen = *net::SocketAddress::Parse("127.0.0.1:0"),
                                  .certificate = *identity,
                                  .max_connections = 10,
                                  .timing = {}},
                                 clock_);
  ASSERT_TRUE(front.ok()) << front.status();
  IgnoringEvents events;
  RemoteRelay relay(events, (*front)->connections(), clock_, options_.timing);
  RelayLinkService service(relay, (*front)->connections(), SecretText(token_), clock_);
  ASSERT_TRUE((*front)->Start({&service}).ok());

  asio::io_context loop;
  const auto work = asio::make_work_guard(loop);
  CountingPort port;
  IgnoringListener listener;
  std::unique_ptr<relay::LinkClient> client;
  relay::ReportQueue reports([&] { asio::post(loop, [&] { client->OnReports(); }); });
  relay::LinkOptions link;
  link.host = "127.0.0.1";
  link.port = (*front)->address().port;
  link.fingerprint = crypto::FingerprintText(*crypto::SpkiDigest(identity->certificate));
  link.token_file = token_file_;
  link.advertise_port = 4400;
  client =
      std::make_unique<relay::LinkClient>(loop, clock_, random_, link, reports, port, listener);
  client->Start();
  std::thread thread([&] { loop.run(); });
  ASSERT_TRUE(WaitUntil([&] { return events.restarted.load(); }));

  std::vector<ConnId> sessions;
  for (int i = 0; i < CountingPort::kSessions; ++i) sessions.push_back(random_.NewId<ConnId>());
  auto broadcast = std::make_shared<relay::SignedBroadcast>();
  broadcast->id = random_.NewId<BroadcastId>();
  const MonoTime begun = clock_.Mono();
  for (const ConnId& session : sessions) relay.AddSession(session, Secret<32>());
  relay.AddBroadcast(broadcast, clock_.Mono() + 1min);
  for (const ConnId& session : sessions) relay.Queue(session, broadcast->id);
  EXPECT_TRUE(WaitUntil([&] { return port.queued == CountingPort::kSessions; }));
  const MonoTime fed = clock_.Mono();
  for (const ConnId& session : sessions) reports.OnDelivered(session, broadcast->id);
  EXPECT_TRUE(WaitUntil([&] { return events.delivered == CountingPort::kSessions; }));
  RecordProperty("fed_ms", static_cast<int>((fed - begun) / 1ms));
  RecordProperty("reported_ms", static_cast<int>((clock_.Mono() - fed) / 1ms));

  loop.stop();
  thread.join();
  client.reset();
  (*front)->Shutdown();
}

}  // namespace
}  // namespace p2p::server
