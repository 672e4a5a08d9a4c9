#include "peer-client/cli/output_queue.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace p2p::client {
namespace {

// Invalid for everything that cannot be opened a second time or never blocks: then `fd` is used.
net::UniqueFd OpenAnew(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return {};
  if (!S_ISFIFO(about.st_mode) && ::isatty(fd) != 1) return {};
  return net::UniqueFd(::open(absl::StrCat("/proc/self/fd/", fd).c_str(),
                              O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool Writable(int fd, Duration patience) {
  pollfd p{fd, POLLOUT, 0};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
  return ::poll(&p, 1, static_cast<int>(ms)) > 0;
}

}  // namespace

OutputQueue::OutputQueue(int fd, Duration patience)
    : fd_(fd), patience_(patience), own_(OpenAnew(fd)) {}

void OutputQueue::Start(asio::io_context& loop, std::function<void()> on_change) {
  loop_ = &loop;
  on_change_ = std::move(on_change);
  Watch();
}

void OutputQueue::Stop() {
  alive_ = std::make_shared<bool>(true);  // What was posted finds nothing.
  pump_.reset();
  watching_ = false;
  loop_ = nullptr;
  on_change_ = nullptr;
}

void OutputQueue::Write(absl::string_view text) {
  if (!ok() || text.empty() || !MakeRoom()) return;
  buffer_.append(text.data(), text.size());
  accepted_ += text.size();
  Flush();
  if (!ok()) return Tell();
  Watch();
}

void OutputQueue::Flush() {
  while (ok() && !idle()) {
    size_t size = waiting();
    if (!own_.valid()) {  // It may block, except for what a pipe that can be written takes for
                          // sure.
      if (!Writable(fd_, Duration::zero())) break;
      size = std::min<size_t>(size, PIPE_BUF);
    }
    const ssize_t n = ::write(fd(), buffer_.data() + begin_, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      status_ = errno == EPIPE ? absl::UnavailableError("nobody reads the output any more")
                               : absl::UnavailableError(absl::StrCat(
                                     "the output cannot be written: ", std::strerror(errno)));
      return;
    }
    written_ += static_cast<uint64_t>(n);
    begin_ += static_cast<size_t>(n);
  }
  if (begin_ < buffer_.size() && begin_ < kMaxWaiting) return;
  buffer_.erase(0, begin_);
  begin_ = 0;
}

bool OutputQueue::MakeRoom() {
  while (ok() && waiting() > kMaxWaiting) {
    const uint64_t before = written_;
    if (Writable(fd(), patience_)) Flush();
    if (ok() && written_ == before) {
      status_ = absl::UnavailableError(
          absl::StrCat("the output is not read: ", waiting(), " bytes of it wait"));
    }
  }
  if (!ok()) Tell();
  return ok();
}

void OutputQueue::Watch() {
  if (loop_ == nullptr || idle() || !ok() || watching_) return;
  pump_.reset();  // The one before has done its work.
  auto pump = FdPump::Start(*loop_, fd(), POLLOUT, [this] { return OnWritable(); });
  if (!pump.ok()) {
    status_ = pump.status();
    return Tell();
  }
  pump_ = *std::move(pump);
  watching_ = true;
}

bool OutputQueue::OnWritable() {
  const uint64_t before = written_;
  Flush();
  if (written_ != before || !ok()) Tell();
  watching_ = ok() && !idle();
  return watching_;
}

void OutputQueue::Tell() {
  if (loop_ == nullptr) return;
  asio::post(*loop_, [this, weak = std::weak_ptr<bool>(alive_)] {
    if (!weak.expired()) on_change_();
  });
}

void WriteDiagnostic(absl::string_view text) {
  if (!Writable(STDERR_FILENO, Duration::zero())) return;
  const std::string line = absl::StrCat(text.substr(0, PIPE_BUF - 1), "\n");
  (void)!::write(STDERR_FILENO, line.data(), line.size());  // There is nobody else to tell.
}

}  // namespace p2p::client
