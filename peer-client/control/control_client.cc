#include "peer-client/control/control_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/auth_context.h>

#include <asio/post.hpp>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/certificate.h"
#include "common/crypto/hash.h"
#include "common/net/tls_probe.h"
#include "common/rpc/server_identity.h"
#include "common/wire/resume_statement.h"
#include "p2p/v1/accounts.grpc.pb.h"
#include "p2p/v1/broadcast.grpc.pb.h"
#include "p2p/v1/directory.grpc.pb.h"
#include "p2p/v1/peering.grpc.pb.h"
#include "peer-client/control/approval_stream.h"
#include "peer-client/control/convert.h"
#include "peer-client/control/unary_calls.h"

namespace p2p::client {
namespace {

// An answer that lists more than this is not believed.
constexpr size_t kMaxListed = 100'000;
constexpr int kMaxMessage = 1 << 20;  // What the server may send at once.

int Ms(Duration d) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

grpc::ChannelArguments Arguments(const config::Timing& timing) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Ms(timing.client_keepalive));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Ms(timing.client_keepalive_timeout));
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The default of 2 silently ends keep-alive on an idle stream.
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A fresh channel really is a fresh connection, and only our schedule repeats.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetMaxReceiveMessageSize(kMaxMessage);
  return args;
}

std::chrono::system_clock::time_point DeadlineIn(Duration d) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(d);
}

// Of the key that the server proved on this connection.
std::optional<crypto::Digest256> KeyOf(const grpc::ClientContext& context) {
  const auto auth = context.auth_context();
  if (auth == nullptr) return std::nullopt;
  const auto pem = auth->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pem.empty()) return std::nullopt;
  const auto digest = crypto::SpkiDigest(absl::string_view(pem[0].data(), pem[0].size()));
  return digest.ok() ? std::optional(*digest) : std::nullopt;
}

}  // namespace

class ControlClient::Impl {
 public:
  Impl(asio::io_context& loop, ControlEvents& events, ControlOptions options)
      : loop_(loop),
        events_(events),
        options_(std::move(options)),
        calls_(loop),
        attach_timer_(loop) {}

  ~Impl() {
    alive_.reset();
    probe_cancelled_ = true;
    if (probe_.joinable()) probe_.join();
    for (auto& [id, stream] : streams_) stream->Abandon();
    streams_in_flight_->AwaitNone();  // Then the library is done with them.
  }

  void Probe() {
    if (probe_.joinable()) probe_.join();  // Its answer was posted before this order.
    probe_ = std::thread([this, weak = std::weak_ptr<bool>(alive_), host = options_.host,
                          port = options_.port, timeout = options_.timing.connect_deadline] {
      auto key = net::ProbeTlsKey(host, port, timeout, probe_cancelled_);
      asio::post(loop_, [this, weak, key = std::move(key)] {
        if (weak.expired()) return;
        if (key.ok()) return events_.OnProbe(crypto::FingerprintText(*key));
        events_.OnProbe(CallError{absl::StatusCode::kUnavailable,
                                  std::string(key.status().message()),
                                  false,
                                  {},
                                  {},
                                  {}});
      });
    });
  }

  void Pin(const std::string& fingerprint) { options_.pin = fingerprint; }

  void Connect() {
    Disconnect();
    seen_ = std::make_shared<rpc::SeenKey>();
    P2P_CHECK(options_.pin || !options_.ca_pem.empty());
    const auto credentials = options_.ca_pem.empty() ? rpc::PinnedCredentials(*options_.pin, seen_)
                                                     : rpc::AuthorityCredentials(options_.ca_pem);
    channel_ = grpc::CreateCustomChannel(rpc::GrpcTarget(options_.host, options_.port), credentials,
                                         Arguments(options_.timing));
    accounts_ = v1::AccountService::NewStub(channel_);
    directory_ = v1::DirectoryService::NewStub(channel_);
    peering_ = v1::PeeringService::NewStub(channel_);
    broadcasts_ = v1::BroadcastService::NewStub(channel_);
    v1::HelloRequest request;
    request.set_client_version(options_.client_version);
    calls_.Run<v1::HelloRequest, v1::HelloResponse>(
        NewContext(options_.timing.connect_deadline), std::move(request),
        [this](auto* c, auto* q, auto* r, auto f) {
          accounts_->async()->Hello(c, q, r, std::move(f));
        },
        [this](const grpc::ClientContext& context, const grpc::Status& status,
               const v1::HelloResponse& response) { OnHello(context, status, response); });
  }

  void OnHello(const grpc::ClientContext& context, const grpc::Status& status,
               const v1::HelloResponse& response) {
    if (!status.ok()) {
      CallError error = ToCallError(status, AnsweredByPeer(context, status));
      if (seen_->refused()) error.changed_fingerprint = seen_->fingerprint();
      return events_.OnHello(std::move(error));
    }
    peer_ = context.peer();
    server_key_ = KeyOf(context);
    events_.OnHello(HelloInfo{response.server_name(), response.greeting(),
                              ToChoices(response.choices()),
                              server_key_ ? crypto::FingerprintText(*server_key_) : ""});
  }

  void Disconnect() {
    calls_.DropAll();
    if (current_ != nullptr) {
      current_->Cancel();
      current_ = nullptr;  // Its end is not reported.
    }
    attach_timer_.cancel();
    accounts_.reset();
    directory_.reset();
    peering_.reset();
    broadcasts_.reset();
    channel_.reset();
    peer_.clear();
  }

  // Runs a call on the present connection and hands its outcome to `deliver`.
  template <class Response, class Request, class Start, class Convert, class Deliver>
  void Call(Request request, Start start, Convert convert, Deliver deliver) {
    if (channel_ == nullptr) {
      return PostError(deliver);
    }
    calls_.Run<Request, Response>(
        NewContext(options_.timing.rpc_deadline), std::move(request), start,
        [convert, deliver](const grpc::ClientContext& context, const grpc::Status& status,
                           const Response& response) {
          if (!status.ok()) return deliver(ToCallError(status, AnsweredByPeer(context, status)));
          deliver(convert(response));
        });
  }

  template <class Deliver>
  void PostError(Deliver deliver) {
    asio::post(loop_, [weak = std::weak_ptr<bool>(alive_), deliver] {
      if (weak.expired()) return;
      deliver(CallError{absl::StatusCode::kUnavailable, "not connected", false, {}, {}, {}});
    });
  }

  std::unique_ptr<grpc::ClientContext> NewContext(Duration deadline) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(DeadlineIn(deadline));
    Authorize(*context);
    return context;
  }

  void Authorize(grpc::ClientContext& context) {
    if (token_.empty()) return;
    context.AddMetadata("authorization", absl::StrCat("Bearer ", token_.view()));
  }

  void Attach(uint16_t chat_port) {
    if (channel_ == nullptr) {
      return PostError([this](CallError error) { events_.OnChannelEnd(std::move(error)); });
    }
    const uint64_t id = next_stream_++;
    ApprovalStream::Callbacks callbacks;
    callbacks.on_event = [this, id](const v1::ServerEvent& event) { OnEvent(id, event); };
    callbacks.on_end = [this, id, weak = std::weak_ptr<bool>(alive_)](const grpc::Status& status) {
      if (!weak.expired()) OnStreamEnd(id, status);
    };
    callbacks.on_released = [flight = streams_in_flight_] { flight->Remove(); };
    auto stream = std::make_unique<ApprovalStream>(loop_, std::move(callbacks));
    current_ = stream.get();
    current_id_ = id;
    timed_out_ = false;
    streams_.emplace(id, std::move(stream));
    streams_in_flight_->Add();
    Authorize(current_->context());
    current_->Start(*peering_);
    v1::ClientEvent event;
    event.mutable_attach()->set_take_over(options_.take_over);
    event.mutable_attach()->set_keepalive_ms(
        static_cast<uint32_t>(Ms(options_.timing.client_keepalive)));
    event.mutable_attach()->mutable_chat_endpoint()->set_port(chat_port);
    current_->Send(std::move(event));
    attach_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        options_.timing.rpc_deadline));
    attach_timer_.async_wait(
        [this, id, weak = std::weak_ptr<bool>(alive_)](asio::error_code error) {
          if (error || weak.expired() || current_ == nullptr || current_id_ != id) return;
          timed_out_ = true;
          current_->Cancel();
        });
  }

  void OnEvent(uint64_t id, const v1::ServerEvent& event) {
    if (current_ == nullptr || current_id_ != id) {
      const auto found = streams_.find(id);
      if (found != streams_.end()) found->second->Next();
      return;
    }
    if (event.has_attached()) attach_timer_.cancel();
    auto converted = ToChannelEvent(event);
    // Reading goes on before the event is handled: handling may end this stream.
    current_->Next();
    if (converted) events_.OnChannelEvent(std::move(*converted));
  }

  void OnStreamEnd(uint64_t id, const grpc::Status& status) {
    const auto found = streams_.find(id);
    P2P_CHECK(found != streams_.end());
    const bool was_current = current_ != nullptr && current_id_ == id;
    const bool answered = status.ok() || AnsweredByPeer(found->second->context(), status);
    streams_.erase(found);
    if (!was_current) return;
    current_ = nullptr;
    attach_timer_.cancel();
    if (close_done_) {
      auto done = std::move(close_done_);
      close_done_ = nullptr;
      return done();
    }
    CallError error = ToCallError(status, answered);
    if (timed_out_) {
      error = {absl::StatusCode::kUnavailable,
               "the server did not attach us in time",
               false,
               {},
               {},
               {}};
    }
    events_.OnChannelEnd(std::move(error));
  }

  void CloseChannel(std::function<void()> done) {
    if (current_ == nullptr) return done();
    close_done_ = std::move(done);
    current_->CloseSend();
  }

  void Send(v1::ClientEvent event) {
    if (current_ != nullptr) current_->Send(std::move(event));
  }

  // The server's entries, page by page.
  void ListFrom(std::string page_token, std::vector<out::ActiveClient> so_far) {
    v1::ListActiveRequest request;
    request.set_page_token(std::move(page_token));
    auto entries = std::make_shared<std::vector<out::ActiveClient>>(std::move(so_far));
    Call<v1::ListActiveResponse>(
        std::move(request),
        [this](auto* c, auto* q, auto* r, auto f) {
          directory_->async()->ListActive(c, q, r, std::move(f));
        },
        [entries](const v1::ListActiveResponse& response) -> Outcome<std::string> {
          for (const auto& client : response.clients()) {
            entries->push_back({client.username(), client.ip_address()});
          }
          return response.next_page_token();
        },
        [this, entries](Outcome<std::string> next) {
          if (auto* error = std::get_if<CallError>(&next)) {
            return events_.OnList(std::move(*error));
          }
          auto& token = std::get<std::string>(next);
          if (token.empty() || entries->size() >= kMaxListed) {
            return events_.OnList(std::move(*entries));
          }
          ListFrom(std::move(token), std::move(*entries));
        });
  }

  asio::io_context& loop_;
  ControlEvents& events_;
  ControlOptions options_;
  SecretText token_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::atomic<bool> probe_cancelled_ = false;
  std::thread probe_;
  std::shared_ptr<rpc::SeenKey> seen_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AccountService::Stub> accounts_;
  std::unique_ptr<v1::DirectoryService::Stub> directory_;
  std::unique_ptr<v1::PeeringService::Stub> peering_;
  std::unique_ptr<v1::BroadcastService::Stub> broadcasts_;
  UnaryCalls calls_;
  std::shared_ptr<InFlight> streams_in_flight_ = std::make_shared<InFlight>();
  std::map<uint64_t, std::unique_ptr<ApprovalStream>> streams_;
  ApprovalStream* current_ = nullptr;
  uint64_t current_id_ = 0;
  uint64_t next_stream_ = 1;
  bool timed_out_ = false;
  std::function<void()> close_done_;
  asio::steady_timer attach_timer_;
  std::string peer_;
  std::optional<crypto::Digest256> server_key_;  // Of the present connection, after Hello.
};

ControlClient::ControlClient(asio::io_context& loop, ControlEvents& events, ControlOptions options)
    : impl_(std::make_unique<Impl>(loop, events, std::move(options))) {}
ControlClient::~ControlClient() { impl_->Disconnect(); }

void ControlClient::CloseChannel(std::function<void()> done) {
  impl_->CloseChannel(std::move(done));
}
std::string ControlClient::ServerAddress() const { return impl_->peer_; }

void ControlClient::Probe() { impl_->Probe(); }
void ControlClient::Pin(const std::string& fingerprint) { impl_->Pin(fingerprint); }
void ControlClient::Connect() { impl_->Connect(); }
void ControlClient::Disconnect() { impl_->Disconnect(); }
void ControlClient::UseToken(const SecretText& token) { impl_->token_ = token.Clone(); }
void ControlClient::Attach(uint16_t chat_port) { impl_->Attach(chat_port); }

void ControlClient::Signup(const std::string& username, absl::string_view password,
                           absl::string_view confirm_password) {
  v1::SignupRequest request;
  request.set_username(username);
  request.set_password(std::string(password));
  request.set_confirm_password(std::string(confirm_password));
  Impl* const impl = impl_.get();
  impl->Call<v1::SignupResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->accounts_->async()->Signup(c, q, r, std::move(f));
      },
      [](const v1::SignupResponse& response) { return SignupInfo{response.message()}; },
      [impl](Outcome<SignupInfo> result) { impl->events_.OnSignup(std::move(result)); });
}

void ControlClient::Login(const std::string& username, absl::string_view password) {
  v1::LoginRequest request;
  request.set_username(username);
  request.set_password(std::string(password));
  request.set_device_public_key(ToString(impl_->options_.device_key->public_key()));
  Impl* const impl = impl_.get();
  impl->Call<v1::LoginResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->accounts_->async()->Login(c, q, r, std::move(f));
      },
      [](const v1::LoginResponse& response) { return ToSession(response); },
      [impl](Outcome<Session> result) { impl->events_.OnLogin(std::move(result)); });
}

void ControlClient::Resume(const SecretText& resume_token, const std::array<uint8_t, 16>& nonce) {
  Impl* const impl = impl_.get();
  v1::ResumeRequest request;
  request.set_resume_token(std::string(resume_token.view()));
  request.set_client_nonce(ToString(nonce));
  // A token that is none gets the server's refusal like every other that is wrong.
  if (const auto token = Base64UrlDecode(resume_token.view()); token && impl->server_key_) {
    const Bytes statement =
        wire::ResumeStatement(*impl->server_key_, crypto::Sha256(*token), nonce);
    request.set_device_signature(ToString(impl->options_.device_key->Sign(statement)));
  }
  impl->Call<v1::ResumeResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->accounts_->async()->Resume(c, q, r, std::move(f));
      },
      [](const v1::ResumeResponse& response) { return ToSession(response.session()); },
      [impl](Outcome<Session> result) { impl->events_.OnResumed(std::move(result)); });
}

void ControlClient::Logout() {
  Impl* const impl = impl_.get();
  impl->Call<v1::LogoutResponse>(
      v1::LogoutRequest(),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->accounts_->async()->Logout(c, q, r, std::move(f));
      },
      [](const v1::LogoutResponse&) { return Done{}; },
      [impl](Outcome<Done> result) { impl->events_.OnLogout(std::move(result)); });
}

void ControlClient::List() { impl_->ListFrom("", {}); }

void ControlClient::Request(const std::string& peer, bool is_address, const std::string& reason,
                            const PeerOffer& offer) {
  v1::RequestPeerRequest request;
  if (is_address) {
    request.set_ip_address(peer);
  } else {
    request.set_username(peer);
  }
  request.set_reason(reason);
  request.set_nonce(ToString(offer.nonce));
  FillCandidates(offer, request.mutable_candidates());
  Impl* const impl = impl_.get();
  impl->Call<v1::RequestPeerResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->peering_->async()->RequestPeer(c, q, r, std::move(f));
      },
      [](const v1::RequestPeerResponse& response) {
        return RequestInfo{response.request_id(), response.peer()};
      },
      [impl](Outcome<RequestInfo> result) { impl->events_.OnRequest(std::move(result)); });
}

void ControlClient::RequestStatus(const std::string& request_id) {
  v1::GetRequestRequest request;
  request.set_request_id(request_id);
  Impl* const impl = impl_.get();
  impl->Call<v1::GetRequestResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->peering_->async()->GetRequest(c, q, r, std::move(f));
      },
      [](const v1::GetRequestResponse& response) { return ToRequestStatus(response); },
      [impl](Outcome<RequestStatusInfo> result) {
        impl->events_.OnRequestStatus(std::move(result));
      });
}

void ControlClient::Broadcast(const std::string& text, const std::string& key, uint32_t ttl_s) {
  v1::BroadcastRequest request;
  request.set_text(text);
  request.set_idempotency_key(key);
  request.set_ttl_seconds(ttl_s);
  Impl* const impl = impl_.get();
  impl->Call<v1::BroadcastResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->broadcasts_->async()->Broadcast(c, q, r, std::move(f));
      },
      [](const v1::BroadcastResponse& response) {
        return BroadcastInfo{response.broadcast_id(), ToWall(response.expires_at())};
      },
      [impl](Outcome<BroadcastInfo> result) { impl->events_.OnBroadcast(std::move(result)); });
}

void ControlClient::BroadcastStatus(const std::string& id) {
  v1::GetBroadcastRequest request;
  request.set_broadcast_id(id);
  Impl* const impl = impl_.get();
  impl->Call<v1::GetBroadcastResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->broadcasts_->async()->GetBroadcast(c, q, r, std::move(f));
      },
      [](const v1::GetBroadcastResponse& response) { return ToBroadcastStatus(response); },
      [impl](Outcome<out::BroadcastStatus> result) {
        impl->events_.OnBroadcastStatus(std::move(result));
      });
}

void ControlClient::RevokeBroadcast(const std::string& id) {
  v1::RevokeBroadcastRequest request;
  request.set_broadcast_id(id);
  Impl* const impl = impl_.get();
  impl->Call<v1::RevokeBroadcastResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->broadcasts_->async()->RevokeBroadcast(c, q, r, std::move(f));
      },
      [](const v1::RevokeBroadcastResponse& response) {
        v1::GetBroadcastResponse status;
        *status.mutable_broadcast() = response.broadcast();
        return ToBroadcastStatus(status);
      },
      [impl](Outcome<out::BroadcastStatus> result) {
        impl->events_.OnBroadcastStatus(std::move(result));
      });
}

void ControlClient::Penalties() {
  Impl* const impl = impl_.get();
  impl->Call<v1::ListMyPenaltiesResponse>(
      v1::ListMyPenaltiesRequest(),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->accounts_->async()->ListMyPenalties(c, q, r, std::move(f));
      },
      [](const v1::ListMyPenaltiesResponse& response) { return ToPenalties(response); },
      [impl](Outcome<out::Penalties> result) { impl->events_.OnPenalties(std::move(result)); });
}

void ControlClient::CheckInbound(const Bytes& challenge) {
  v1::CheckInboundRequest request;
  request.set_challenge(ToString(challenge));
  Impl* const impl = impl_.get();
  impl->Call<v1::CheckInboundResponse>(
      std::move(request),
      [impl](auto* c, auto* q, auto* r, auto f) {
        impl->peering_->async()->CheckInbound(c, q, r, std::move(f));
      },
      [](const v1::CheckInboundResponse& response) { return ToInboundInfo(response); },
      [impl](Outcome<InboundInfo> result) { impl->events_.OnInbound(std::move(result)); });
}

void ControlClient::Approve(const std::string& request_id, const PeerOffer& offer) {
  v1::ClientEvent event;
  event.mutable_approve()->set_request_id(request_id);
  event.mutable_approve()->set_nonce(ToString(offer.nonce));
  FillCandidates(offer, event.mutable_approve()->mutable_candidates());
  impl_->Send(std::move(event));
}

void ControlClient::Deny(const std::string& request_id) {
  v1::ClientEvent event;
  event.mutable_deny()->set_request_id(request_id);
  impl_->Send(std::move(event));
}

void ControlClient::Cancel(const std::string& request_id) {
  v1::ClientEvent event;
  event.mutable_cancel()->set_request_id(request_id);
  impl_->Send(std::move(event));
}

void ControlClient::AckIntroduction(const std::string& request_id) {
  v1::ClientEvent event;
  event.mutable_introduction_ack()->set_request_id(request_id);
  impl_->Send(std::move(event));
}

void ControlClient::AckBroadcast(const std::string& broadcast_id, std::optional<BroadcastVia> via) {
  v1::ClientEvent event;
  event.mutable_broadcast_ack()->set_broadcast_id(broadcast_id);
  if (via) {
    event.mutable_broadcast_ack()->set_via(*via == BroadcastVia::kUdp ? v1::BroadcastAck::UDP
                                                                      : v1::BroadcastAck::CHANNEL);
  }
  impl_->Send(std::move(event));
}

}  // namespace p2p::client
