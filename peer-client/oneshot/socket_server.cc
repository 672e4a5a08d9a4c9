#include "peer-client/oneshot/socket_server.h"

#include <array>
#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>
#include <deque>
#include <utility>
#include <vector>

#include "common/base/secret.h"
#include "peer-client/cli/json_lines.h"
#include "peer-client/cli/line_splitter.h"
#include "peer-client/oneshot/local_socket.h"

namespace p2p::client::oneshot {

constexpr Duration kPauseAfterError = 100ms;

using Socket = asio::local::stream_protocol::socket;

class SocketServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(SocketServer& server, uint64_t id, Socket socket)
      : server_(&server), id_(id), socket_(std::move(socket)) {}

  void Close() {
    server_ = nullptr;
    asio::error_code ignored;
    socket_.close(ignored);
  }

  void Read() {
    socket_.async_read_some(
        asio::buffer(buffer_), [self = shared_from_this()](asio::error_code error, size_t n) {
          if (self->server_ == nullptr) return;
          if (error) return self->server_->Drop(self->id_);
          self->lines_.Add(absl::string_view(self->buffer_.data(), n),
                           [&self](absl::string_view line) { self->OnLine(line); });
          Wipe(self->buffer_.data(), n);
          if (self->server_ == nullptr) return;
          if (self->lines_.too_long() > 0) return self->server_->Drop(self->id_);
          self->Read();
        });
  }

  // False: it does not read, and is to be closed.
  bool Write(const std::string& line) {
    if (waiting_.size() >= kMaxWaitingLines || bytes_ + line.size() > kMaxWaitingBytes) {
      return false;
    }
    bytes_ += line.size();
    waiting_.push_back(line);
    if (waiting_.size() == 1) WriteFirst();
    return true;
  }

 private:
  void OnLine(absl::string_view line) {
    if (server_ == nullptr || line.empty()) return;
    Command command = ParseJsonCommand(line);
    // The client itself goes on.
    if (std::holds_alternative<cmd::Quit>(command)) return server_->Drop(id_);
    server_->hooks_.on_command(std::move(command), id_);
  }

  void WriteFirst() {
    asio::async_write(socket_, asio::buffer(waiting_.front()),
                      [self = shared_from_this()](asio::error_code error, size_t) {
                        if (self->server_ == nullptr) return;
                        if (error) return self->server_->Drop(self->id_);
                        self->bytes_ -= self->waiting_.front().size();
                        self->waiting_.pop_front();
                        if (!self->waiting_.empty()) self->WriteFirst();
                      });
  }

  SocketServer* server_;  // Null when closed.
  const uint64_t id_;
  Socket socket_;
  std::array<char, 16384> buffer_;
  LineSplitter lines_;
  std::deque<std::string> waiting_;
  size_t bytes_ = 0;
};

absl::StatusOr<std::unique_ptr<SocketServer>> SocketServer::Start(asio::io_context& loop,
                                                                  const std::string& data_dir,
                                                                  Hooks hooks) {
  auto fd = ListenLocal(data_dir);
  if (!fd.ok()) return fd.status();
  std::unique_ptr<SocketServer> server(new SocketServer(loop, std::move(hooks)));
  asio::error_code error;
  server->acceptor_.assign(asio::local::stream_protocol(), fd->get(), error);
  if (error) return absl::InternalError(error.message());
  fd->Release();
  server->Accept();
  return server;
}

SocketServer::~SocketServer() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  for (auto& [id, connection] : connections_) connection->Close();
}

void SocketServer::Accept() {
  // What has come already is called after the end of this server too.
  const std::weak_ptr<bool> weak = alive_;
  acceptor_.async_accept([this, weak](asio::error_code error, Socket socket) {
    if (weak.expired() || error == asio::error::operation_aborted) return;
    if (!error && IsOwnPeer(socket.native_handle()) && connections_.size() < kMaxConnections) {
      const uint64_t id = next_++;
      auto connection = std::make_shared<Connection>(*this, id, std::move(socket));
      connections_.emplace(id, connection);
      connection->Write(hooks_.greeting());
      connection->Read();
    } else {
      ++refused_;
    }
    if (!error) return Accept();
    // Out of descriptors, perhaps: what waits to be accepted would come back at once.
    pause_.expires_after(kPauseAfterError);
    pause_.async_wait([this, weak](asio::error_code cancelled) {
      if (!weak.expired() && !cancelled) Accept();
    });
  });
}

void SocketServer::Drop(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  found->second->Close();
  connections_.erase(found);
}

void SocketServer::Send(uint64_t caller, const std::string& line) {
  const auto found = connections_.find(caller);
  if (found == connections_.end() || found->second->Write(line)) return;
  ++cut_;
  Drop(caller);
}

void SocketServer::SendAll(const std::string& line) {
  std::vector<uint64_t> ids;
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  for (const uint64_t id : ids) Send(id, line);
}

template <class... T>
static bool IsOneOf(const Output& output) {
  return (std::holds_alternative<T>(output) || ...);
}

bool IsAnswer(const Output& output) {
  if (const auto* receipt = std::get_if<out::Receipt>(&output)) return receipt->state == "queued";
  return IsOneOf<out::Error, out::SignedUp, out::LoggedIn, out::Active, out::RequestSent,
                 out::BroadcastSent, out::BroadcastStatus, out::Identity, out::Penalties,
                 out::Doctor, out::Path, out::Outbox, out::Requests, out::Blocked, out::Transfers,
                 out::History, out::Exported>(output);
}

}  // namespace p2p::client::oneshot
