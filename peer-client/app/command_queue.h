// Commands that need the server, in order: one runs at a time, so that "/login" followed by "/list"
// means what it says. Before the first connection they are held. Pure.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "peer-client/app/command.h"
#include "peer-client/app/now.h"

namespace p2p::client {

// A broadcast keeps its key over every repetition, so that the server takes it once.
struct ServerCommand {
  Command command;
  std::string broadcast_key;
  std::optional<MonoTime> drop_at;  // Broadcasts: the end of their life.
  int repeats = 0;
  uint64_t caller = 0;            // Who asked, see AppModel::OnCommand.
  bool while_logging_in = false;  // A log-in typed while another one was under way.
};

class CommandQueue {
 public:
  static constexpr size_t kMaxQueued = 1000;
  static constexpr size_t kMaxLater = 100;

  // False when 1,000 wait already: the command is dropped and counted.
  bool Push(ServerCommand command);
  void PushFront(ServerCommand command) { queue_.push_front(std::move(command)); }
  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }
  ServerCommand& front() { return queue_.front(); }
  ServerCommand Pop();
  uint64_t dropped() const { return dropped_; }

  // Repeats the command at `at`; nullopt: when ReleaseHeld is called. False when 100 wait already.
  bool Later(ServerCommand command, std::optional<MonoTime> at);
  // Log-ins and sign-ups that wait for their repetition; a newer one replaces them.
  void DropLaterCredentials();
  void ReleaseHeld();  // After an attach.
  void ReleaseDue(MonoTime now);
  std::vector<ServerCommand> TakeExpired(MonoTime now);  // Past their drop_at.
  bool idle() const { return queue_.empty() && later_.empty(); }
  std::optional<MonoTime> NextDeadline() const;

 private:
  struct Waiting {
    ServerCommand command;
    std::optional<MonoTime> at;
  };
  std::deque<ServerCommand> queue_;
  std::vector<Waiting> later_;
  uint64_t dropped_ = 0;
};

}  // namespace p2p::client
