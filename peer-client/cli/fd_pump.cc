#include "peer-client/cli/fd_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <cerrno>
#include <utility>

namespace p2p::client {

absl::StatusOr<std::unique_ptr<FdPump>> FdPump::Start(asio::io_context& loop, int fd, short events,
                                                      std::function<bool()> on_ready) {
  net::UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return net::ErrnoError("eventfd", errno);
  return std::unique_ptr<FdPump>(
      new FdPump(loop, fd, events, std::move(wake), std::move(on_ready)));
}

FdPump::FdPump(asio::io_context& loop, int fd, short events, net::UniqueFd wake,
               std::function<bool()> on_ready)
    : loop_(loop),
      fd_(fd),
      events_(events),
      wake_(std::move(wake)),
      on_ready_(std::move(on_ready)) {
  thread_ = std::thread([this] { Run(); });
}

FdPump::~FdPump() {
  {
    const absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  // Cannot fail: the counter is far from its maximum.
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void FdPump::Run() {
  while (true) {
    pollfd fds[] = {{fd_, events_, 0}, {wake_.get(), POLLIN, 0}};
    const int n = ::poll(fds, 2, -1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 || fds[1].revents != 0) return;
    {
      const absl::MutexLock lock(&mu_);
      if (stopped_) return;
      pending_ = true;
    }
    asio::post(loop_, [this, weak = std::weak_ptr<bool>(alive_)] {
      if (!weak.expired()) Consume();
    });
    const absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &FdPump::MayGoOn));
    if (stopped_) return;
  }
}

void FdPump::Consume() {
  const std::weak_ptr<bool> weak = alive_;
  const bool more = on_ready_();
  if (weak.expired()) return;  // It was destroyed by what it called.
  const absl::MutexLock lock(&mu_);
  pending_ = false;
  if (!more) stopped_ = true;
}

}  // namespace p2p::client
