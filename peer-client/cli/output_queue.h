// Standard output that is never waited for: what it does not take now is kept, and written by the
// loop when it can be. So a reader that stands still, or a terminal that was stopped, stops nothing
// else, and what was shown is told from what was not.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/time.h"
#include "common/net/fd.h"
#include "peer-client/cli/fd_pump.h"

namespace p2p::client {

// On one thread.
class OutputQueue {
 public:
  // While more than this waits, a writer gives the reader kPatience to take something. Then the
  // output has failed: to drop lines of it would be worse than the end.
  static constexpr size_t kMaxWaiting = 1 << 20;
  static constexpr Duration kPatience = 1s;

  // `fd` stays open and keeps its flags: other processes write to the same terminal or pipe.
  explicit OutputQueue(int fd, Duration patience = kPatience);
  // From now on the loop writes what waits. `on_change`, from the loop: more was written, or the
  // output failed. Both outlive the queue, or Stop is called first.
  void Start(asio::io_context& loop, std::function<void()> on_change);
  void Stop();

  // Nothing more is taken once the output has failed.
  void Write(absl::string_view text);
  // Why nobody gets what is written: no reader, a full disk, a reader that stands still.
  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }
  // All that was taken so far is written when written() has come to accepted().
  uint64_t accepted() const { return accepted_; }
  uint64_t written() const { return written_; }
  bool idle() const { return accepted_ == written_; }
  int fd() const { return own_.valid() ? own_.get() : fd_; }

 private:
  size_t waiting() const { return static_cast<size_t>(accepted_ - written_); }
  void Flush();
  bool MakeRoom();
  void Watch();
  bool OnWritable();
  void Tell();

  const int fd_;
  const Duration patience_;
  const net::UniqueFd own_;  // The same terminal or pipe, opened anew: this one may not block.
  std::string buffer_;
  size_t begin_ = 0;  // Of what waits in it.
  uint64_t accepted_ = 0;
  uint64_t written_ = 0;
  absl::Status status_;
  asio::io_context* loop_ = nullptr;  // Null: not started, or stopped.
  std::function<void()> on_change_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<FdPump> pump_;
  bool watching_ = false;
};

// A line on standard error; dropped when that cannot take it at once.
void WriteDiagnostic(absl::string_view text);

}  // namespace p2p::client
