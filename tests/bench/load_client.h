// One client of the load driver: a TLS connection of its own, an ApprovalChannel on it, and unary
// calls beside that. It approves whatever it is asked and acknowledges every broadcast.
//
// Lives on the thread of its io_context; gRPC's callbacks are posted there. Owner: LoadFleet, which
// outlives everything posted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "asio/io_context.hpp"
#include "common/base/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"
#include "p2p/v1/accounts.grpc.pb.h"
#include "p2p/v1/broadcast.grpc.pb.h"
#include "p2p/v1/directory.grpc.pb.h"
#include "p2p/v1/peering.grpc.pb.h"

namespace p2p::bench {

struct LoadTarget {
  std::string address;                   // "127.0.0.1:4400"
  std::array<uint8_t, 32> key_digest{};  // SHA-256 of the server's public key.
  std::shared_ptr<grpc::ChannelCredentials> credentials;
};

struct LoadSession {
  std::string username;
  std::string access_token;
  std::string resume_token;
  std::string device_seed;  // Base64url, like the tokens.
};

class LoadClient {
 public:
  struct Listener {
    std::function<void(LoadClient&)> on_attached;
    // The channel ended, or never was. `window`: W of the last Attached, zero when there was none.
    std::function<void(LoadClient&, const grpc::Status&, Duration window)> on_lost;
    std::function<void(LoadClient&, const p2p::v1::RequestOutcome&)> on_outcome;
    std::function<void(LoadClient&, const p2p::v1::BroadcastDelivery&)> on_broadcast;
  };

  LoadClient(asio::io_context& io, const LoadTarget& target, const Listener& listener,
             LoadSession session);
  ~LoadClient();

  // On a new connection. Not while attached or attaching. `resume`: with a new access token, which
  // Resume brings first.
  void Attach(bool resume);
  bool attached() const { return attached_; }
  const std::string& username() const { return session_.username; }

  // Unary calls on the client's connection, with its token and a deadline of 30 s; `done` on the
  // io_context's thread. A client that was never attached has no connection yet: it makes one.
  template <typename Response>
  using Done = std::function<void(const grpc::Status&, const Response&)>;
  void List(uint32_t page_size, const std::string& page_token,
            Done<p2p::v1::ListActiveResponse> done);
  void RequestPeer(const std::string& peer, Done<p2p::v1::RequestPeerResponse> done);
  void Login(const std::string& password, Done<p2p::v1::LoginResponse> done);
  void Broadcast(const std::string& text, Done<p2p::v1::BroadcastResponse> done);

 private:
  class Line;
  template <typename Request, typename Response>
  struct Call;

  void Connect();
  void Resume(Done<p2p::v1::ResumeResponse> done);
  void OnEvent(const p2p::v1::ServerEvent& event);
  void OnLineDone(const grpc::Status& status);
  template <typename Request, typename Response>
  std::unique_ptr<Call<Request, Response>> NewCall(Done<Response> done) const;

  asio::io_context& io_;
  const LoadTarget& target_;
  const Listener& listener_;
  LoadSession session_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Line> line_;
  bool attached_ = false;
  Duration window_{0};
};

}  // namespace p2p::bench
