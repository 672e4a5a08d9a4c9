// Standard input and output for a single-threaded loop, whatever they are: terminal, pipe or file.
// A helper thread only waits for the descriptor to become ready; reading and writing happen on the
// loop. Its flags, shared with other processes, stay as they are.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/net/fd.h"

namespace p2p::client {

class FdPump {
 public:
  // `on_ready` runs on the loop when one of `events` (of poll) or an end or error is there; it
  // reads or writes without blocking and returns false when it is not to be called again. It may
  // destroy the pump. `loop` outlives the pump.
  static absl::StatusOr<std::unique_ptr<FdPump>> Start(asio::io_context& loop, int fd, short events,
                                                       std::function<bool()> on_ready);
  // Joins the thread at once, also while it waits. On the loop's thread.
  ~FdPump();

 private:
  FdPump(asio::io_context& loop, int fd, short events, net::UniqueFd wake,
         std::function<bool()> on_ready);
  void Run();
  void Consume();
  bool MayGoOn() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !pending_ || stopped_; }

  asio::io_context& loop_;
  const int fd_;
  const short events_;
  const net::UniqueFd wake_;
  const std::function<bool()> on_ready_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  absl::Mutex mu_;
  bool pending_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace p2p::client
