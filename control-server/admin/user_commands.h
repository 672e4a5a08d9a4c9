// `control-server user add|list|import|export`: accounts of a stopped server. Each command takes
// the lock of the data directory; while a server runs there it fails and says so.
#pragma once

#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"

namespace p2p::server {

struct UserCommandLine {
  std::string name;           // add
  std::string password_file;  // add
  bool admin = false;         // add
  std::string file = "-";     // import, export
  std::string output = "text";
};

// Adds `user` with its sub-commands to `app`; parsing fills `line`, which outlives `app`. Returns
// the `user` command: true as a condition when it was chosen.
CLI::App* AddUserCommands(CLI::App& app, UserCommandLine& line);

// Carries out the sub-command of `user` that was parsed. Returns what belongs on standard output. A
// message may quote names and lines of files: render it as untrusted text.
absl::StatusOr<std::string> RunUserCommand(const CLI::App& user, const UserCommandLine& line,
                                           const std::string& data_dir);

}  // namespace p2p::server
