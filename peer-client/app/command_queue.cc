#include "peer-client/app/command_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace p2p::client {

bool CommandQueue::Push(ServerCommand command) {
  if (queue_.size() >= kMaxQueued) {
    ++dropped_;
    return false;
  }
  queue_.push_back(std::move(command));
  return true;
}

ServerCommand CommandQueue::Pop() {
  ServerCommand command = std::move(queue_.front());
  queue_.pop_front();
  return command;
}

bool CommandQueue::Later(ServerCommand command, std::optional<MonoTime> at) {
  if (later_.size() >= kMaxLater) {
    ++dropped_;
    return false;
  }
  later_.push_back({std::move(command), at});
  return true;
}

void CommandQueue::DropLaterCredentials() {
  std::erase_if(later_, [](const Waiting& waiting) {
    return std::holds_alternative<cmd::Login>(waiting.command.command) ||
           std::holds_alternative<cmd::Signup>(waiting.command.command);
  });
}

void CommandQueue::ReleaseHeld() {
  for (auto& waiting : later_) {
    if (!waiting.at) queue_.push_back(std::move(waiting.command));
  }
  std::erase_if(later_, [](const Waiting& waiting) { return !waiting.at; });
}

void CommandQueue::ReleaseDue(MonoTime now) {
  const auto due = [now](const Waiting& waiting) { return waiting.at && *waiting.at <= now; };
  for (auto& waiting : later_) {
    if (due(waiting)) queue_.push_back(std::move(waiting.command));
  }
  std::erase_if(later_, due);
}

std::vector<ServerCommand> CommandQueue::TakeExpired(MonoTime now) {
  std::vector<ServerCommand> expired;
  const auto over = [now](const ServerCommand& command) {
    return command.drop_at && *command.drop_at <= now;
  };
  const auto waiting_over = [&over](const Waiting& waiting) { return over(waiting.command); };
  for (auto& command : queue_) {
    if (over(command)) expired.push_back(std::move(command));
  }
  for (auto& waiting : later_) {
    if (waiting_over(waiting)) expired.push_back(std::move(waiting.command));
  }
  std::erase_if(queue_, over);
  std::erase_if(later_, waiting_over);
  return expired;
}

std::optional<MonoTime> CommandQueue::NextDeadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const auto& command : queue_) consider(command.drop_at);
  for (const auto& waiting : later_) {
    consider(waiting.at);
    consider(waiting.command.drop_at);
  }
  return next;
}

}  // namespace p2p::client
