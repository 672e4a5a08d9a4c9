#include "peer-client/cli/stdin_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <cerrno>
#include <utility>

#include "absl/strings/strip.h"

namespace p2p::client {

absl::StatusOr<std::unique_ptr<StdinPump>> StdinPump::Start(asio::io_context& loop, int fd,
                                                            std::function<bool()> on_readable) {
  net::UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return net::ErrnoError("eventfd", errno);
  return std::unique_ptr<StdinPump>(
      new StdinPump(loop, fd, std::move(wake), std::move(on_readable)));
}

StdinPump::StdinPump(asio::io_context& loop, int fd, net::UniqueFd wake,
                     std::function<bool()> on_readable)
    : loop_(loop), fd_(fd), wake_(std::move(wake)), on_readable_(std::move(on_readable)) {
  thread_ = std::thread([this] { Run(); });
}

StdinPump::~StdinPump() {
  {
    const absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  // Cannot fail: the counter is far from its maximum.
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void StdinPump::Run() {
  while (true) {
    pollfd fds[] = {{fd_, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
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
    mu_.Await(absl::Condition(this, &StdinPump::MayGoOn));
    if (stopped_) return;
  }
}

void StdinPump::Consume() {
  const std::weak_ptr<bool> weak = alive_;
  const bool more = on_readable_();
  if (weak.expired()) return;  // The line ended the program.
  const absl::MutexLock lock(&mu_);
  pending_ = false;
  if (!more) stopped_ = true;
}

void LineSplitter::Add(absl::string_view bytes,
                       const std::function<void(absl::string_view)>& on_line) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const bool complete = newline != absl::string_view::npos;
    const absl::string_view piece = bytes.substr(0, newline);
    bytes.remove_prefix(complete ? newline + 1 : bytes.size());
    if (!skipping_ && partial_.size() + piece.size() > kMaxLine) {
      skipping_ = true;
      ++too_long_;
      partial_.clear();
    }
    if (!skipping_) partial_.append(piece.data(), piece.size());
    if (!complete) return;
    if (!skipping_) {
      const std::string line = std::exchange(partial_, std::string());
      on_line(absl::StripSuffix(line, "\r"));
    }
    skipping_ = false;
  }
}

void LineSplitter::Finish(const std::function<void(absl::string_view)>& on_line) {
  if (!partial_.empty() && !skipping_) on_line(std::exchange(partial_, std::string()));
}

}  // namespace p2p::client
