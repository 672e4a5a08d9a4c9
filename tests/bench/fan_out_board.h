// What the processes of a fan-out benchmark tell each other: in memory that both have.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <new>

#include "common/base/check.h"
#include "common/base/clock.h"

namespace p2p::bench {

// One receiving process with `kMost` clients at most. Atomics of a process may be used by another:
// they are lock-free.
struct FanOutBoard {
  static constexpr size_t kMost = 20'000;
  std::atomic<uint16_t> port{0};     // Where clients go; the receiving process waits for it.
  std::atomic<size_t> ready{0};      // Clients that are.
  std::atomic<uint64_t> wanted{0};   // Arrivals after which `last` is noted.
  std::atomic<uint64_t> arrived{0};  // Messages.
  std::atomic<MonoTime> last{MonoTime{}};
  std::atomic<size_t> message_bytes{0};  // Of a stream's message, with its frame.
  std::atomic<uint32_t> round{0};
  std::atomic<bool> stop{false};
  std::array<std::atomic<uint16_t>, kMost> ports{};  // Of the clients.

  void Arrive() {
    if (arrived.fetch_add(1) + 1 == wanted.load()) last = SystemClock().Mono();
  }
};

// A process of its own with a board, ended and joined by the destructor. Made before there are any
// threads.
class FanOutChild {
 public:
  explicit FanOutChild(const std::function<void(FanOutBoard&)>& run) {
    void* memory = ::mmap(nullptr, sizeof(FanOutBoard), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    P2P_CHECK(memory != MAP_FAILED);
    board_ = new (memory) FanOutBoard;
    pid_ = ::fork();
    P2P_CHECK(pid_ >= 0);
    if (pid_ > 0) return;
    while (board_->port == 0 && !board_->stop) ::usleep(1000);
    if (!board_->stop) run(*board_);
    ::_exit(0);
  }
  ~FanOutChild() {
    board_->stop = true;
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
  FanOutChild(const FanOutChild&) = delete;
  FanOutBoard& board() { return *board_; }

 private:
  FanOutBoard* board_;
  pid_t pid_;
};

}  // namespace p2p::bench
