// One TCP connection of a link: TLS, then a ChatSession, driven by coroutines on one thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/net/tls_stream.h"
#include "peer-client/chat/chat_session.h"

namespace p2p::client {

// Kept alive by its coroutines until the socket is closed; after Close it touches neither owner,
// conversation nor clock any more.
class LinkConnection : public std::enable_shared_from_this<LinkConnection> {
 public:
  // Calls come from the coroutines, never from inside a call of the connection. The owner may close
  // connections in them.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnEvents(LinkConnection& connection, std::vector<SessionEvent> events) = 0;
    // Last call, unless the owner closed it itself. `detail` may be empty.
    virtual void OnEnded(LinkConnection& connection, SessionEnd end, std::string detail) = 0;
  };
  struct Setup {
    SessionSetup session;  // Without exporter.
    crypto::PublicKey peer_key;
    std::string path;  // For people.
  };

  LinkConnection(asio::ip::tcp::socket socket, std::shared_ptr<const net::PeerTlsContext> tls,
                 Setup setup, const config::Timing& timing, const Clock& clock,
                 Conversation& conversation, Owner& owner);

  // TLS handshake and HELLO, within timing.peer_handshake. OK: both sides are proven; call Run.
  // Else the connection is closed. PermissionDenied: the peer holds another key or knows no link.
  asio::awaitable<absl::Status> Establish();
  // Hands over what happened since, then reads and writes until the end. Once, after Establish.
  void Run();

  ChatSession& session() { return *session_; }  // After Establish.
  // After anything was asked of the session, or queued in the conversation.
  void Wake();
  // By the owner. Says goodbye to the peer when it can, and never calls the owner again.
  void Close(SessionEnd end);

  // By the owner, after ChatSession::AckHangUp: sends what is left and ends by itself.
  void Release();

  const RequestId& link() const { return link_; }
  const std::string& path() const { return path_; }

 private:
  asio::awaitable<absl::Status> EstablishSteps();
  asio::awaitable<absl::Status> ExchangeHello();
  asio::awaitable<void> ReadLoop();
  asio::awaitable<void> WriteLoop();
  asio::awaitable<void> SayGoodbye();
  void LimitGoodbye();
  asio::awaitable<void> PauseReading();
  asio::awaitable<void> WaitForWork();
  void ArmDeadline();
  void OnDeadline();
  void Fail(const absl::Status& status);
  void ReportEnd();  // If the session has closed.
  absl::Status EndStatus() const;

  std::optional<SessionSetup> setup_;  // Until the session exists.
  const RequestId link_;
  const std::string path_;
  const config::Timing& timing_;
  const Clock* clock_;
  Conversation& conversation_;
  Owner* owner_;
  net::PeerTlsStream stream_;
  asio::steady_timer watchdog_;  // Establish, goodbye.
  asio::steady_timer work_;      // The writer waits on it.
  asio::steady_timer pause_;     // The reader waits on it.
  asio::steady_timer deadline_;  // Session timers.
  std::optional<MonoTime> deadline_at_;
  std::optional<ChatSession> session_;
  std::vector<SessionEvent> early_events_;
  std::string detail_;
  bool work_waiting_ = false;
  bool reading_ = false;
  bool timed_out_ = false;
  bool leaving_ = false;
};

}  // namespace p2p::client
