#include "control-server/admin/password_input.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/fd.h"
#include "common/net/file.h"

namespace p2p::server {
namespace {

constexpr size_t kMaxPasswordFile = 4096;

absl::StatusOr<std::string> ReadAll(int fd, size_t max_size) {
  std::string out;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return net::ErrnoError("reading standard input", errno);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    Wipe(buffer, sizeof buffer);
    if (out.size() > max_size) return absl::ResourceExhaustedError("the input is too large");
  }
}

SecretText FirstLine(std::string text) {
  std::string line = text.substr(0, text.find('\n'));
  if (!line.empty() && line.back() == '\r') line.pop_back();
  Wipe(text.data(), text.size());
  return SecretText(std::move(line));
}

// No echo while it lives.
class QuietTerminal {
 public:
  explicit QuietTerminal(int fd) : fd_(fd), ok_(::tcgetattr(fd, &saved_) == 0) {
    if (!ok_) return;
    termios quiet = saved_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ok_ = ::tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  ~QuietTerminal() {
    if (ok_) ::tcsetattr(fd_, TCSAFLUSH, &saved_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  bool ok() const { return ok_; }

 private:
  const int fd_;
  termios saved_{};
  bool ok_;
};

void Say(int fd, absl::string_view text) {
  // A prompt that does not appear is no reason to fail.
  [[maybe_unused]] const ssize_t n = ::write(fd, text.data(), text.size());
}

absl::StatusOr<SecretText> Ask(int terminal, absl::string_view prompt) {
  Say(terminal, prompt);
  const QuietTerminal quiet(terminal);
  if (!quiet.ok()) return absl::FailedPreconditionError("cannot switch off the terminal's echo");
  std::string line;
  char c = 0;
  while (::read(terminal, &c, 1) == 1 && c != '\n' && line.size() < kMaxPasswordFile) line += c;
  Say(terminal, "\n");
  return SecretText(std::move(line));
}

}  // namespace

absl::StatusOr<std::string> ReadInput(const std::string& file, size_t max_size) {
  return file == "-" ? ReadAll(STDIN_FILENO, max_size) : net::ReadFile(file, max_size);
}

absl::StatusOr<SecretText> ReadNewPassword(const std::string& file) {
  if (!file.empty()) {
    P2P_ASSIGN_OR_RETURN(std::string text, ReadInput(file, kMaxPasswordFile));
    return FirstLine(std::move(text));
  }
  const net::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal.valid()) {
    return absl::FailedPreconditionError(
        "there is no terminal to ask on: give --password-file FILE (- is standard input)");
  }
  P2P_ASSIGN_OR_RETURN(SecretText first, Ask(terminal.get(), "Password: "));
  P2P_ASSIGN_OR_RETURN(const SecretText second, Ask(terminal.get(), "Password again: "));
  if (first.view() != second.view()) {
    return absl::InvalidArgumentError("the two passwords are not equal");
  }
  return first;
}

}  // namespace p2p::server
