// Standard input for a single-threaded loop, whatever it is: terminal, pipe or file. A helper
// thread only waits for it to become readable; reading happens on the loop.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/net/fd.h"

namespace p2p::client {

class StdinPump {
 public:
  // `on_readable` runs on the loop when `fd` can be read or is at its end; it reads without
  // blocking and returns false when there is nothing more to come. `loop` outlives the pump.
  static absl::StatusOr<std::unique_ptr<StdinPump>> Start(asio::io_context& loop, int fd,
                                                          std::function<bool()> on_readable);
  // Joins the thread at once, also while it waits. On the loop's thread.
  ~StdinPump();

 private:
  StdinPump(asio::io_context& loop, int fd, net::UniqueFd wake, std::function<bool()> on_readable);
  void Run();
  void Consume();
  bool MayGoOn() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !pending_ || stopped_; }

  asio::io_context& loop_;
  const int fd_;
  const net::UniqueFd wake_;
  const std::function<bool()> on_readable_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  absl::Mutex mu_;
  bool pending_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// Cuts a byte stream into lines. A line longer than 1 MiB (60 KiB of text, every character escaped,
// and room) is dropped up to its end and reported as too long.
class LineSplitter {
 public:
  static constexpr size_t kMaxLine = 1 << 20;
  // Calls `on_line` for each complete line, without its newline (or CR before it).
  void Add(absl::string_view bytes, const std::function<void(absl::string_view)>& on_line);
  // The rest after the last newline, at the end of input.
  void Finish(const std::function<void(absl::string_view)>& on_line);
  uint64_t too_long() const { return too_long_; }

 private:
  std::string partial_;
  bool skipping_ = false;
  uint64_t too_long_ = 0;
};

}  // namespace p2p::client
