// A control-server of a few lines: real gRPC over TLS on a loopback port, answers set by the test.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/crypto/certificate.h"
#include "p2p/v1/accounts.grpc.pb.h"
#include "p2p/v1/broadcast.grpc.pb.h"
#include "p2p/v1/directory.grpc.pb.h"
#include "p2p/v1/peering.grpc.pb.h"

namespace p2p {

inline crypto::PemPair MakeTestCertificate() {
  auto pair = crypto::MakeServerCertificate({"localhost"}, {"127.0.0.1"}, SystemClock().Wall());
  P2P_CHECK(pair.ok());
  return *std::move(pair);
}

class FakeControlServer final : private v1::AccountService::Service,
                                private v1::DirectoryService::Service,
                                private v1::PeeringService::Service,
                                private v1::BroadcastService::Service {
 public:
  // What the next calls answer; OK by default. Set before the calls.
  grpc::Status hello, signup, login, list, request, broadcast;
  // Ends the channel with this after the first Attach; OK: stays open until the client closes it.
  std::optional<grpc::Status> end_channel;
  int pages = 1;

  explicit FakeControlServer(const crypto::PemPair& identity, int port = 0) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({identity.private_key, identity.certificate});
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::SslServerCredentials(options),
                             &port_);
    builder.RegisterService(static_cast<v1::AccountService::Service*>(this));
    builder.RegisterService(static_cast<v1::DirectoryService::Service*>(this));
    builder.RegisterService(static_cast<v1::PeeringService::Service*>(this));
    builder.RegisterService(static_cast<v1::BroadcastService::Service*>(this));
    server_ = builder.BuildAndStart();
    P2P_CHECK(server_ != nullptr);
  }
  ~FakeControlServer() override { Kill(); }

  // Drops every connection at once.
  void Kill() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  uint16_t port() const { return static_cast<uint16_t>(port_); }
  int hellos() const { return hellos_; }
  // The last event the client sent on its channel, as text.
  std::string last_event() const {
    const absl::MutexLock lock(&mu_);
    return last_event_;
  }
  // Sent down the open channel.
  void Push(v1::ServerEvent event) {
    const absl::MutexLock lock(&mu_);
    P2P_CHECK(stream_ != nullptr);
    stream_->Write(event);
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::ServerEvent, v1::ClientEvent>;

  grpc::Status Hello(grpc::ServerContext*, const v1::HelloRequest*,
                     v1::HelloResponse* response) override {
    ++hellos_;
    response->set_server_name("home");
    response->add_choices(v1::LOGIN);
    response->add_choices(v1::SIGNUP);
    return hello;
  }
  grpc::Status Signup(grpc::ServerContext*, const v1::SignupRequest*,
                      v1::SignupResponse* response) override {
    response->set_message("now log in");
    return signup;
  }
  grpc::Status Login(grpc::ServerContext*, const v1::LoginRequest* asked,
                     v1::LoginResponse* response) override {
    if (asked->device_public_key().size() != 32) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "no device key"};
    }
    response->set_username(asked->username());
    response->set_session_token("the-token");
    response->mutable_session_expires_at()->set_seconds(4'000'000'000);
    return login;
  }
  grpc::Status ListActive(grpc::ServerContext* context, const v1::ListActiveRequest* asked,
                          v1::ListActiveResponse* response) override {
    const auto token = context->client_metadata().find("authorization");
    if (token == context->client_metadata().end() || token->second != "Bearer the-token") {
      return {grpc::StatusCode::UNAUTHENTICATED, "no token"};
    }
    const int page = asked->page_token().empty() ? 0 : std::stoi(asked->page_token());
    auto* client = response->add_clients();
    client->set_username(absl::StrCat("user", page));
    client->set_ip_address("10.0.0.1");
    if (page + 1 < pages) response->set_next_page_token(absl::StrCat(page + 1));
    return list;
  }
  grpc::Status RequestPeer(grpc::ServerContext*, const v1::RequestPeerRequest* asked,
                           v1::RequestPeerResponse* response) override {
    response->set_request_id("r1");
    response->set_peer(asked->username());
    return request;
  }
  grpc::Status Broadcast(grpc::ServerContext*, const v1::BroadcastRequest* asked,
                         v1::BroadcastResponse* response) override {
    response->set_broadcast_id(asked->idempotency_key());
    return broadcast;
  }
  grpc::Status ApprovalChannel(grpc::ServerContext*, Stream* stream) override {
    v1::ClientEvent event;
    if (!stream->Read(&event) || !event.has_attach()) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "attach first"};
    }
    if (end_channel) return *end_channel;
    {
      const absl::MutexLock lock(&mu_);
      stream_ = stream;
      v1::ServerEvent attached;
      attached.mutable_attached()->set_reconnect_window_ms(700);
      stream->Write(attached);
    }
    while (stream->Read(&event)) {
      const absl::MutexLock lock(&mu_);
      last_event_ = event.ShortDebugString();
    }
    const absl::MutexLock lock(&mu_);
    stream_ = nullptr;
    last_event_ = "closed";
    return grpc::Status::OK;
  }

  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::atomic<int> hellos_ = 0;
  mutable absl::Mutex mu_;
  Stream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::string last_event_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p
