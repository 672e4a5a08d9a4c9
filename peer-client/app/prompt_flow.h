// Questions to the user, one at a time: credentials in both faces, and the plain face's "are you
// sure". Pure; it decides which command an answer completes.
#pragma once

#include <deque>
#include <optional>
#include <variant>

#include "peer-client/app/command.h"
#include "peer-client/app/output.h"

namespace p2p::client {

struct TrustServer {
  std::string fingerprint;
};
struct TrustAnswer {
  bool yes = false;
};
// A broadcast typed while there is no server: sent later, or not at all.
struct KeepBroadcast {
  std::string text;
};

using Question =
    std::variant<cmd::Signup, cmd::Login, cmd::Request, cmd::Broadcast, TrustServer, KeepBroadcast>;

class PromptFlow {
 public:
  // An answered question: a command that now has all it needs, a decision, or nothing (given up).
  using Answer = std::variant<std::monostate, Command, TrustAnswer, KeepBroadcast>;

  explicit PromptFlow(OutputSink& out) : out_(out) {}

  // Asks now, or after the questions that are open already. At most 16 wait; more are dropped and
  // count as given up.
  void Ask(Question question);
  bool open() const { return !questions_.empty(); }
  // The line answers the open question (open() must be true). Credentials may take several lines;
  // an empty line, or one that starts with '/' where a name or a yes is expected, gives up.
  Answer OnLine(absl::string_view line);
  bool overflowed() const { return dropped_ > 0; }

 private:
  void ShowFirst();
  Answer Finish(Answer answer);

  OutputSink& out_;
  std::deque<Question> questions_;
  uint64_t dropped_ = 0;
};

}  // namespace p2p::client
