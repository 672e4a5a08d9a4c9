// Where the plain face reads and writes lines: a real terminal with line editing, or pipes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "peer-client/cli/output_queue.h"

namespace p2p::client {

// On the loop's thread only. Callbacks come from OnReadable.
class Terminal {
 public:
  struct Callbacks {
    std::function<void(absl::string_view line)> on_line;
    std::function<void()> on_end;  // Once.
  };
  virtual ~Terminal() = default;
  // Whole lines; what is being typed stays below them.
  virtual void Print(absl::string_view text) = 0;
  // What stands before the cursor. `secret`: what is typed is not shown. `question`: it is asked
  // even where no cursor waits (a pipe).
  virtual void SetPrompt(const std::string& prompt, bool secret, bool question) = 0;
  // Reads what is there without waiting; false at the end of input.
  virtual bool OnReadable() = 0;
  virtual void OnResize() {}
  // All that waited was written.
  virtual void OnWritten() {}
  virtual bool interactive() const = 0;
};

// Line editing with libedit on standard input and output, both terminals. One at a time: libedit's
// state is global. Restores the terminal when destroyed. `output` outlives it.
std::unique_ptr<Terminal> MakeEditTerminal(OutputQueue& output, Terminal::Callbacks callbacks);

// Plain lines. If standard input is a terminal all the same, passwords are not echoed.
std::unique_ptr<Terminal> MakePipeTerminal(OutputQueue& output, Terminal::Callbacks callbacks);

}  // namespace p2p::client
