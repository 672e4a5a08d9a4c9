#include "tests/bench/load_client.h"

#include <deque>
#include <utility>

#include "asio/post.hpp"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/crypto/hash.h"
#include "common/crypto/sign.h"
#include "common/wire/resume_statement.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/client_callback.h"

namespace p2p::bench {
namespace {

constexpr Duration kCallDeadline = 30s;

std::chrono::system_clock::time_point Deadline() {
  return std::chrono::system_clock::now() + kCallDeadline;
}

constexpr int kKeepaliveMs = 20'000;

}  // namespace

// The client's side of an ApprovalChannel. Its hold is given back when nothing more can be read;
// gRPC's last callback is the last thing that touches it.
class LoadClient::Line final : public grpc::ClientBidiReactor<v1::ClientEvent, v1::ServerEvent> {
 public:
  Line(LoadClient& owner, asio::io_context& io) : owner_(owner), io_(io) {}

  void Start(const std::string& token) {
    context_.AddMetadata("authorization", "Bearer " + token);
    stub_ = v1::PeeringService::NewStub(owner_.channel_);
    stub_->async()->ApprovalChannel(&context_, this);
    v1::ClientEvent attach;
    attach.mutable_attach()->set_take_over(true);
    attach.mutable_attach()->set_keepalive_ms(kKeepaliveMs);
    Send(std::move(attach));
    AddHold();
    StartRead(&in_);
    StartCall();
  }
  void Send(v1::ClientEvent event) {
    if (closed_) return;
    out_.push_back(std::move(event));
    if (out_.size() == 1) StartWrite(&out_.front());
  }

  void OnReadDone(bool ok) override {
    if (!ok) return asio::post(io_, [this] { Close(); });
    asio::post(io_, [this, event = std::exchange(in_, {})] { owner_.OnEvent(event); });
    StartRead(&in_);
  }
  void OnWriteDone(bool) override {
    asio::post(io_, [this] {
      out_.pop_front();
      if (!out_.empty() && !closed_) StartWrite(&out_.front());
    });
  }
  void OnDone(const grpc::Status& status) override {
    asio::post(io_, [this, status] { owner_.OnLineDone(status); });
  }

 private:
  void Close() {
    closed_ = true;
    RemoveHold();
  }

  LoadClient& owner_;
  asio::io_context& io_;
  std::unique_ptr<v1::PeeringService::Stub> stub_;
  grpc::ClientContext context_;
  v1::ServerEvent in_;
  std::deque<v1::ClientEvent> out_;  // The front one is being written.
  bool closed_ = false;
};

// Everything that must live until a unary call is over.
template <typename Request, typename Response>
struct LoadClient::Call {
  grpc::ClientContext context;
  std::shared_ptr<grpc::Channel> channel;
  Request request;
  Response response;
  Done<Response> done;
};

template <typename Request, typename Response>
std::unique_ptr<LoadClient::Call<Request, Response>> LoadClient::NewCall(
    Done<Response> done) const {
  auto call = std::make_unique<Call<Request, Response>>();
  call->context.AddMetadata("authorization", "Bearer " + session_.access_token);
  call->context.set_deadline(Deadline());
  call->channel = channel_;
  call->done = std::move(done);
  return call;
}

namespace {

// What a finished call does: its result goes to the io thread, then it is gone.
template <typename CallPtr>
auto Finisher(asio::io_context& io, CallPtr call) {
  return [&io, call = call.release()](const grpc::Status& status) {
    asio::post(io, [call = CallPtr(call), status] { call->done(status, call->response); });
  };
}

}  // namespace

LoadClient::LoadClient(asio::io_context& io, const LoadTarget& target, const Listener& listener,
                       LoadSession session)
    : io_(io), target_(target), listener_(listener), session_(std::move(session)) {}

LoadClient::~LoadClient() = default;

void LoadClient::Connect() {
  grpc::ChannelArguments args;
  args.SetSslTargetNameOverride("localhost");
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  channel_ = grpc::CreateCustomChannel(target_.address, target_.credentials, args);
}

void LoadClient::Attach(bool resume) {
  Connect();
  const auto attach = [this] {
    line_ = std::make_unique<Line>(*this, io_);
    line_->Start(session_.access_token);
  };
  if (!resume) return attach();
  Resume([this, attach](const grpc::Status& status, const v1::ResumeResponse& response) {
    if (!status.ok()) return listener_.on_lost(*this, status, Duration(0));
    session_.access_token = response.session().session_token();
    session_.resume_token = response.session().resume_token();
    attach();
  });
}

void LoadClient::Resume(Done<v1::ResumeResponse> done) {
  const auto seed = Base64UrlDecode(session_.device_seed);
  const auto token = Base64UrlDecode(session_.resume_token);
  P2P_CHECK(seed && token);  // They come from seed_sessions or the server.
  const auto device = crypto::SigningKey::FromSeed(Secret<32>(ByteReader(*seed).Array<32>()));
  const std::array<uint8_t, 16> nonce = {'n'};
  auto call = NewCall<v1::ResumeRequest, v1::ResumeResponse>(std::move(done));
  call->request.set_resume_token(session_.resume_token);
  call->request.set_client_nonce(ToString(nonce));
  call->request.set_device_signature(ToString(
      device.Sign(wire::ResumeStatement(target_.key_digest, crypto::Sha256(*token), nonce))));
  auto& c = *call;
  v1::AccountService::Stub(c.channel).async()->Resume(&c.context, &c.request, &c.response,
                                                      Finisher(io_, std::move(call)));
}

void LoadClient::OnEvent(const v1::ServerEvent& event) {
  switch (event.event_case()) {
    case v1::ServerEvent::kAttached:
      attached_ = true;
      window_ = std::chrono::milliseconds(event.attached().reconnect_window_ms());
      return listener_.on_attached(*this);
    case v1::ServerEvent::kPeerRequest: {
      v1::ClientEvent approve;
      approve.mutable_approve()->set_request_id(event.peer_request().request_id());
      approve.mutable_approve()->set_nonce(std::string(16, 'n'));
      return line_->Send(std::move(approve));
    }
    case v1::ServerEvent::kIntroduction: {
      v1::ClientEvent ack;
      ack.mutable_introduction_ack()->set_request_id(event.introduction().request_id());
      return line_->Send(std::move(ack));
    }
    case v1::ServerEvent::kRequestOutcome:
      return listener_.on_outcome(*this, event.request_outcome());
    case v1::ServerEvent::kBroadcast: {
      v1::ClientEvent ack;
      ack.mutable_broadcast_ack()->set_broadcast_id(event.broadcast().broadcast_id());
      line_->Send(std::move(ack));
      return listener_.on_broadcast(*this, event.broadcast());
    }
    default:
      return;
  }
}

void LoadClient::OnLineDone(const grpc::Status& status) {
  line_.reset();
  attached_ = false;
  listener_.on_lost(*this, status, std::exchange(window_, Duration(0)));
}

void LoadClient::List(uint32_t page_size, const std::string& page_token,
                      Done<v1::ListActiveResponse> done) {
  if (!channel_) Connect();
  auto call = NewCall<v1::ListActiveRequest, v1::ListActiveResponse>(std::move(done));
  call->request.set_page_size(page_size);
  call->request.set_page_token(page_token);
  auto& c = *call;
  v1::DirectoryService::Stub(c.channel).async()->ListActive(&c.context, &c.request, &c.response,
                                                            Finisher(io_, std::move(call)));
}

void LoadClient::RequestPeer(const std::string& peer, Done<v1::RequestPeerResponse> done) {
  if (!channel_) Connect();
  auto call = NewCall<v1::RequestPeerRequest, v1::RequestPeerResponse>(std::move(done));
  call->request.set_username(peer);
  call->request.set_nonce(std::string(16, 'r'));
  auto& c = *call;
  v1::PeeringService::Stub(c.channel).async()->RequestPeer(&c.context, &c.request, &c.response,
                                                           Finisher(io_, std::move(call)));
}

void LoadClient::Login(const std::string& password, Done<v1::LoginResponse> done) {
  if (!channel_) Connect();
  auto call = NewCall<v1::LoginRequest, v1::LoginResponse>(std::move(done));
  call->request.set_username(session_.username);
  call->request.set_password(password);
  auto& c = *call;
  v1::AccountService::Stub(c.channel).async()->Login(&c.context, &c.request, &c.response,
                                                     Finisher(io_, std::move(call)));
}

void LoadClient::Broadcast(const std::string& text, Done<v1::BroadcastResponse> done) {
  if (!channel_) Connect();
  auto call = NewCall<v1::BroadcastRequest, v1::BroadcastResponse>(std::move(done));
  call->request.set_text(text);
  auto& c = *call;
  v1::BroadcastService::Stub(c.channel).async()->Broadcast(&c.context, &c.request, &c.response,
                                                           Finisher(io_, std::move(call)));
}

}  // namespace p2p::bench
