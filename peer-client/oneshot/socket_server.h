// The running client's socket for one-shots: JSON commands in, JSON events out, one a line. Own
// user only. At most 16 connections; one that does not read (256 lines or 1 MiB waiting) is closed.
#pragma once

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "peer-client/app/command.h"
#include "peer-client/app/output.h"

namespace p2p::client::oneshot {

// On the loop's thread.
class SocketServer {
 public:
  static constexpr size_t kMaxConnections = 16;
  static constexpr size_t kMaxWaitingLines = 256;
  static constexpr size_t kMaxWaitingBytes = 1 << 20;

  struct Hooks {
    // A command of connection `caller` (never 0). Not called from inside Send.
    std::function<void(Command, uint64_t caller)> on_command;
    std::function<std::string()> greeting;  // The first line for a new connection.
  };
  static absl::StatusOr<std::unique_ptr<SocketServer>> Start(asio::io_context& loop,
                                                             const std::string& data_dir,
                                                             Hooks hooks);
  ~SocketServer();

  // `line` with its newline, to one connection (unknown: dropped) or to all.
  void Send(uint64_t caller, const std::string& line);
  void SendAll(const std::string& line);
  uint64_t refused() const { return refused_; }  // Other users, and more than 16.
  uint64_t cut() const { return cut_; }          // Did not read.

 private:
  class Connection;
  SocketServer(asio::io_context& loop, Hooks hooks)
      : loop_(loop), acceptor_(loop), pause_(loop), hooks_(std::move(hooks)) {}
  void Accept();
  void Drop(uint64_t id);

  asio::io_context& loop_;
  asio::local::stream_protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  const Hooks hooks_;
  std::map<uint64_t, std::shared_ptr<Connection>> connections_;
  uint64_t next_ = 1;
  uint64_t refused_ = 0;
  uint64_t cut_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// True for records that answer a command: they go to who gave it and to nobody else.
bool IsAnswer(const Output& output);

}  // namespace p2p::client::oneshot
