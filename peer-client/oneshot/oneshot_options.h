// The command line of a sub-command: what comes besides the options that every client has.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "peer-client/oneshot/report.h"
#include "peer-client/oneshot/task.h"

namespace CLI {
class App;
}

namespace p2p::client::oneshot {

struct OneShotLine {
  std::string server;  // As typed; empty: the last one.
  std::string form = "text";
  std::string name, text;
  std::string password_file;
  std::string goal;  // all, a percentage or a number; empty: none.
  uint32_t ttl_s = 0;
  bool take_over = false;
  bool dry_run = false;
  std::optional<double> wait_s, connect_wait_s;
};

// nullopt: not a sub-command of this version.
std::optional<Verb> ParseVerb(absl::string_view word);

void AddOneShotOptions(CLI::App& app, Verb verb, OneShotLine& line);

// "all", "90%" or "12".
absl::StatusOr<DeliveryGoal> ParseGoal(absl::string_view text);

// Reads the password and a TEXT of "-" from where they are. InvalidArgument: a usage error.
absl::StatusOr<TaskSpec> ResolveTask(Verb verb, const OneShotLine& line);

}  // namespace p2p::client::oneshot
