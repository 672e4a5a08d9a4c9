#include "peer-client/cli/terminal.h"

#include <editline/readline.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "peer-client/cli/line_splitter.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kClearLine = "\r\033[K";

// While it lives, standard input does not echo. The kernel still edits and hands over whole lines.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    active_ = true;
    termios quiet = saved_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ICANON | ECHONL;
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
  }
  ~NoEcho() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios saved_{};
  bool active_ = false;
};

bool CanRead() {
  pollfd p{STDIN_FILENO, POLLIN, 0};
  return ::poll(&p, 1, 0) > 0;
}

// One read(2), handed to the splitter. False at the end of input.
bool ReadLines(LineSplitter& lines, const std::function<void(absl::string_view)>& on_line) {
  char buffer[16384];
  const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n <= 0) {
    lines.Finish(on_line);
    return false;
  }
  lines.Add(absl::string_view(buffer, static_cast<size_t>(n)), on_line);
  Wipe(buffer, sizeof buffer);
  return true;
}

class PipeTerminal final : public Terminal {
 public:
  PipeTerminal(OutputQueue& output, Callbacks callbacks)
      : output_(output), callbacks_(std::move(callbacks)) {}
  void Print(absl::string_view text) override { output_.Write(text); }
  void SetPrompt(const std::string& prompt, bool secret, bool question) override {
    if (!secret) no_echo_.reset();
    if (question) output_.Write(absl::StrCat(prompt, "\n"));
    if (secret && no_echo_ == nullptr && ::isatty(STDIN_FILENO) == 1) {
      no_echo_ = std::make_unique<NoEcho>();
    }
  }
  bool OnReadable() override {
    const bool more = ReadLines(lines_, callbacks_.on_line);
    if (!more) callbacks_.on_end();
    return more;
  }
  bool interactive() const override { return false; }

 private:
  OutputQueue& output_;
  const Callbacks callbacks_;
  LineSplitter lines_;
  std::unique_ptr<NoEcho> no_echo_;
};

class EditTerminal final : public Terminal {
 public:
  EditTerminal(OutputQueue& output, Callbacks callbacks)
      : output_(output), callbacks_(std::move(callbacks)) {
    P2P_CHECK(active_ == nullptr);
    active_ = this;
    // What libedit writes must not block either. What a stopped terminal does not take of it is
    // lost, and redrawn when all that waits is written.
    const int fd = ::dup(output.fd());
    if (fd >= 0) stream_ = ::fdopen(fd, "w");
    if (stream_ != nullptr) rl_outstream = stream_;
    // Non-ASCII input needs a UTF-8 locale; many minimal systems set none.
    const char* locale = std::setlocale(LC_CTYPE, "");
    if (locale == nullptr || MB_CUR_MAX < 2) std::setlocale(LC_CTYPE, "C.UTF-8");
    rl_catch_signals = 0;  // The loop handles them.
    rl_catch_sigwinch = 0;
    Install();
  }
  ~EditTerminal() override {
    no_echo_.reset();
    if (installed_) rl_callback_handler_remove();
    output_.Write(kClearLine);
    active_ = nullptr;
  }

  void Print(absl::string_view text) override {
    if (text.empty()) return;
    output_.Write(absl::StrCat(Erased(), text));
    Redraw();
  }

  void SetPrompt(const std::string& prompt, bool secret, bool) override {
    if (prompt == prompt_ && secret == (no_echo_ != nullptr)) return;
    output_.Write(Erased());
    prompt_ = prompt;
    if (secret && no_echo_ == nullptr) {
      Remove();
      no_echo_ = std::make_unique<NoEcho>();
    } else if (!secret && no_echo_ != nullptr) {
      no_echo_.reset();
      Install();
    }
    if (installed_) rl_set_prompt(prompt_.c_str());
    if (output_.idle()) output_.Write(kClearLine);  // Installing has shown a prompt already.
    Redraw();
  }

  bool OnReadable() override {
    if (no_echo_ != nullptr) {
      const bool more = ReadLines(secret_lines_, callbacks_.on_line);
      if (!more) End();
      return more;
    }
    // libedit reads one byte a call and keeps none.
    for (int i = 0; i < 4096 && installed_ && !ended_ && CanRead(); ++i) {
      rl_callback_read_char();
      if (got_line_) {
        got_line_ = false;
        const std::string line = std::exchange(line_, std::string());
        Install();  // libedit shows the prompt again only when it is installed anew.
        callbacks_.on_line(line);
      }
    }
    if (ended_) End();
    return !ended_;
  }

  void OnResize() override {
    if (installed_) rl_resize_terminal();
  }
  void OnWritten() override {
    std::clearerr(rl_outstream);
    if (!input_shown_) Redraw();
  }
  bool interactive() const override { return true; }

 private:
  static void OnLine(char* line) {
    EditTerminal* const self = active_;
    if (line == nullptr) {
      self->ended_ = true;
      return;
    }
    self->got_line_ = true;
    self->line_ = line;
    if (*line != '\0') add_history(line);
    std::free(line);
  }

  void Install() {
    rl_callback_handler_install(prompt_.c_str(), &EditTerminal::OnLine);
    installed_ = true;
  }
  void Remove() {
    if (!installed_) return;
    rl_callback_handler_remove();
    installed_ = false;
  }
  void End() {
    if (!std::exchange(end_told_, true)) callbacks_.on_end();
  }

  // Moves to the first row of what is being typed and clears from there.
  std::string EraseInput() const {
    size_t columns = 80;
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = size.ws_col;
    size_t cells = CodePoints(prompt_);
    if (installed_ && rl_line_buffer != nullptr && rl_point > 0) {
      cells += CodePoints(absl::string_view(rl_line_buffer, static_cast<size_t>(rl_point)));
    }
    const size_t rows = cells / columns;
    return rows == 0 ? absl::StrCat(kClearLine, "\033[J")
                     : absl::StrCat("\r\033[", rows, "A\033[J");
  }
  // Below what was printed; later when that is not on the screen yet.
  void Redraw() {
    input_shown_ = output_.idle();
    if (!input_shown_) return;
    if (installed_) {
      rl_forced_update_display();
    } else {
      output_.Write(prompt_);
    }
  }
  std::string Erased() const { return input_shown_ ? EraseInput() : ""; }

  static EditTerminal* active_;
  OutputQueue& output_;
  const Callbacks callbacks_;
  std::FILE* stream_ = nullptr;  // libedit's, for as long as the process runs.
  std::string prompt_ = "> ";
  std::string line_;
  LineSplitter secret_lines_;
  std::unique_ptr<NoEcho> no_echo_;
  bool installed_ = false;
  bool input_shown_ = true;
  bool got_line_ = false;
  bool ended_ = false;
  bool end_told_ = false;
};
EditTerminal* EditTerminal::active_ = nullptr;

}  // namespace

std::unique_ptr<Terminal> MakeEditTerminal(OutputQueue& output, Terminal::Callbacks callbacks) {
  return std::make_unique<EditTerminal>(output, std::move(callbacks));
}

std::unique_ptr<Terminal> MakePipeTerminal(OutputQueue& output, Terminal::Callbacks callbacks) {
  return std::make_unique<PipeTerminal>(output, std::move(callbacks));
}

}  // namespace p2p::client
