#include "tests/integration/peering_fixture.h"

#include <signal.h>

#include <chrono>

#include "absl/strings/str_cat.h"

namespace p2p::server {

void RecordingRelay::AddSession(ConnId session, Secret<32> psk) {
  MutexLock lock(mu_);
  psk_[ToString(session.view())] = HexEncode(psk.view());
}
void RecordingRelay::RemoveSession(ConnId session) {
  MutexLock lock(mu_);
  psk_.erase(ToString(session.view()));
}
std::string RecordingRelay::PskOf(const std::string& conn_id) {
  MutexLock lock(mu_);
  const auto it = psk_.find(conn_id);
  return it == psk_.end() ? "" : it->second;
}
size_t RecordingRelay::sessions() {
  MutexLock lock(mu_);
  return psk_.size();
}

std::vector<std::string> RecordingListener::notes() {
  MutexLock lock(mu_);
  return notes_;
}
void RecordingListener::Note(std::string note) {
  MutexLock lock(mu_);
  notes_.push_back(std::move(note));
}

bool WaitUntil(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return condition();
}

TestChannel::TestChannel(v1::PeeringService::Stub& stub, const std::string& authorization) {
  if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  stream_ = stub.ApprovalChannel(&context_);
  reader_ = std::thread([this] { ReadLoop(); });
}

TestChannel::~TestChannel() {
  context_.TryCancel();
  reader_.join();
}

void TestChannel::ReadLoop() {
  v1::ServerEvent event;
  while (stream_->Read(&event)) {
    MutexLock lock(mu_);
    events_.push_back(std::move(event));
    event.Clear();
    changed_.NotifyAll();
  }
  grpc::Status status = stream_->Finish();
  MutexLock lock(mu_);
  status_ = std::move(status);
  changed_.NotifyAll();
}

void TestChannel::SendAttach(bool take_over, bool watch) {
  v1::ClientEvent event;
  event.mutable_attach()->set_take_over(take_over);
  event.mutable_attach()->set_watch_presence(watch);
  Send(event);
}
void TestChannel::SendApprove(const std::string& request_id, const std::string& nonce) {
  v1::ClientEvent event;
  event.mutable_approve()->set_request_id(request_id);
  event.mutable_approve()->set_nonce(nonce);
  Send(event);
}
void TestChannel::SendDeny(const std::string& request_id) {
  v1::ClientEvent event;
  event.mutable_deny()->set_request_id(request_id);
  Send(event);
}
void TestChannel::SendCancel(const std::string& request_id) {
  v1::ClientEvent event;
  event.mutable_cancel()->set_request_id(request_id);
  Send(event);
}
void TestChannel::SendIntroductionAck(const std::string& request_id) {
  v1::ClientEvent event;
  event.mutable_introduction_ack()->set_request_id(request_id);
  Send(event);
}

v1::ServerEvent TestChannel::Expect(v1::ServerEvent::EventCase kind) {
  WaitUntil([&] {
    MutexLock lock(mu_);
    return !events_.empty() || status_.has_value();
  });
  MutexLock lock(mu_);
  if (events_.empty()) {
    ADD_FAILURE() << "no event; the call "
                  << (status_ ? "ended: " + status_->error_message() : std::string("is open"));
    return {};
  }
  v1::ServerEvent event = std::move(events_.front());
  events_.pop_front();
  EXPECT_EQ(event.event_case(), kind) << event.ShortDebugString();
  return event;
}

size_t TestChannel::Waiting() {
  MutexLock lock(mu_);
  return events_.size();
}

grpc::Status TestChannel::Finish() {
  const bool ended = WaitUntil([&] {
    MutexLock lock(mu_);
    return status_.has_value();
  });
  MutexLock lock(mu_);
  if (!ended) return grpc::Status(grpc::StatusCode::UNKNOWN, "the call did not end");
  return *status_;
}

TestPeer::TestPeer(const net::SocketAddress& server, const std::string& root_certificate) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = root_certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A window that does not grow, so that a client that does not read is noticed.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  channel_ = grpc::CreateCustomChannel(server.ToString(), grpc::SslCredentials(tls), arguments);
  stub_ = v1::PeeringService::NewStub(channel_);
}

std::unique_ptr<TestChannel> TestPeer::Attach(bool take_over, bool watch) {
  auto channel = Open();
  channel->SendAttach(take_over, watch);
  channel->Expect(v1::ServerEvent::kAttached);
  return channel;
}

grpc::Status TestPeer::Request(const v1::RequestPeerRequest& request) {
  requested.Clear();
  return stub_->RequestPeer(NewCall().get(), request, &requested);
}
grpc::Status TestPeer::RequestName(const std::string& username) {
  auto request = NewRequest();
  request.set_username(username);
  return Request(request);
}
grpc::Status TestPeer::RequestAddress(const std::string& ip_address) {
  auto request = NewRequest();
  request.set_ip_address(ip_address);
  return Request(request);
}
grpc::Status TestPeer::Get(const std::string& request_id) {
  v1::GetRequestRequest request;
  request.set_request_id(request_id);
  got.Clear();
  return stub_->GetRequest(NewCall().get(), request, &got);
}

grpc::Status TestPeer::CheckInbound(const std::string& challenge) {
  v1::CheckInboundRequest request;
  request.set_challenge(challenge);
  inbound.Clear();
  return stub_->CheckInbound(NewCall().get(), request, &inbound);
}

std::unique_ptr<grpc::ClientContext> TestPeer::NewCall() const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  if (!authorization.empty()) context->AddMetadata("authorization", authorization);
  return context;
}

v1::RequestPeerRequest NewRequest() {
  v1::RequestPeerRequest request;
  request.set_reason("hello");
  request.set_nonce(std::string(16, 'r'));
  return request;
}

// Everything that a restart makes anew, in the order in which the parts depend on each other.
struct PeeringFixture::Running {
  Running(PeeringFixture& f, std::unique_ptr<GrpcFront> bound)
      : queue(f.store_,
              [](const absl::Status& status) { ADD_FAILURE() << "the store failed: " << status; }),
        sessions(f.clock_),
        front(std::move(bound)),
        authenticator(sessions, front->connections()),
        hub({.io = thread.io(),
             .timing = f.timing_,
             .clock = f.clock_,
             .random = f.random_,
             .introducer = f.introducer_,
             .sessions = sessions,
             .store = queue,
             .connections = front->connections(),
             .relay = f.with_relay_ ? &f.relay_ : nullptr,
             .find_relay = [] { return RelayEndpoint{.ip_address = "", .port = 4400}; }}),
        inbound(f.clock_, f.random_),
        service(authenticator, hub, inbound, f.clock_, f.timing_) {}

  StoreQueue queue;
  SessionTable sessions;
  HubThread thread;
  std::unique_ptr<GrpcFront> front;
  Authenticator authenticator;
  Hub hub;
  InboundDesk inbound;
  PeeringService service;
};

PeeringFixture::PeeringFixture() {
  QuietGrpc();
  ::signal(SIGPIPE, SIG_IGN);
  certificate_ = *crypto::MakeServerCertificate({"localhost"}, {"127.0.0.1", "::1"}, clock_.Wall());
  timing_.detach_grace = 300ms;
}

PeeringFixture::~PeeringFixture() { Stop(); }

void PeeringFixture::Start() {
  auto front = GrpcFront::Create({.listen = *net::SocketAddress::Parse("127.0.0.1:0"),
                                  .certificate = certificate_,
                                  .max_connections = 64,
                                  .timing = timing_,
                                  .reflection = false},
                                 clock_);
  ASSERT_TRUE(front.ok()) << front.status();
  running_ = std::make_unique<Running>(*this, *std::move(front));
  running_->hub.SetListener(use_listener_);
  const absl::Status loaded = running_->hub.Load();
  ASSERT_TRUE(loaded.ok()) << loaded;
  running_->thread.Start();
  const absl::Status started = running_->front->Start({&running_->service});
  ASSERT_TRUE(started.ok()) << started;
}

void PeeringFixture::Stop() {
  if (running_ == nullptr) return;
  running_->inbound.Stop();
  running_->front->Shutdown();
  running_->queue.Stop();
  running_->thread.Stop();
  running_.reset();
}

void PeeringFixture::Restart() {
  Stop();
  Start();
}

Hub& PeeringFixture::hub() { return running_->hub; }
SessionTable& PeeringFixture::sessions() { return running_->sessions; }
InboundDesk& PeeringFixture::inbound() { return running_->inbound; }

StoreQueue& PeeringFixture::queue() { return running_->queue; }

Account PeeringFixture::AccountOf(const std::string& username) {
  auto found = InStore([&](Store& s) { return s.FindAccount(username); });
  if (found.ok()) return *found;
  Account account;
  account.id = random_.NewId<UserId>();
  account.username = username;
  account.created_at = clock_.Wall();
  const absl::Status created = InStore([&](Store& s) { return s.CreateAccount(account); });
  EXPECT_TRUE(created.ok()) << created;
  return account;
}

std::string PeeringFixture::NewToken(const std::string& username, const TokenOptions& options) {
  const Account account = AccountOf(username);
  const auto token = random_.Array<32>();
  auto caller = std::make_shared<Caller>();
  caller->user = account.id;
  caller->username = account.username;
  caller->token.hash = HashToken(token);
  caller->token.account = account.id;
  if (options.device) caller->token.device_key = random_.Array<32>();
  caller->token.chat_port = options.chat_port;
  caller->token.issued_at = clock_.Wall();
  caller->token.expires_at =
      caller->token.issued_at + std::chrono::ceil<std::chrono::milliseconds>(options.lifetime);
  const auto stored = InStore([&](Store& s) { return s.PutToken(caller->token, 8); });
  EXPECT_TRUE(stored.ok()) << stored.status();
  sessions().Add(caller);
  return absl::StrCat("Bearer ", Base64UrlEncode(token));
}

std::unique_ptr<TestPeer> PeeringFixture::NewPeer(const std::string& username) {
  return NewPeer(username, TokenOptions{});
}

std::unique_ptr<TestPeer> PeeringFixture::NewPeer(const std::string& username,
                                                  const TokenOptions& options) {
  auto peer = std::make_unique<TestPeer>(running_->front->address(), certificate_.certificate);
  peer->authorization = NewToken(username, options);
  return peer;
}

std::vector<std::string> PeeringFixture::Active() const {
  std::vector<std::string> names;
  for (const auto& user : running_->hub.Snapshot()->users) names.push_back(user.username);
  return names;
}

TokenHash PeeringFixture::HashOf(const std::string& authorization) const {
  return HashToken(*Base64UrlDecode(absl::string_view(authorization).substr(7)));
}

}  // namespace p2p::server
