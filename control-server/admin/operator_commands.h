// The operator's sub-commands: user, session, penalty, broadcast. They work on a running server by
// its admin socket and on a stopped one by its data directory, with the same answers.
#pragma once

#include <string>

#include "CLI/App.hpp"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "p2p/v1/admin.grpc.pb.h"

namespace p2p::server {

// What was typed behind the sub-command.
struct OperatorLine {
  std::string name;           // Of the account, or the broadcast's id.
  std::string password_file;  // user add, user passwd
  bool admin = false;         // user add
  bool enable = false;        // user disable
  std::string file = "-";     // user import, user export
  std::string output = "text";
};

struct OperatorCommands {
  CLI::App* user = nullptr;
  CLI::App* session = nullptr;
  CLI::App* penalty = nullptr;
  CLI::App* broadcast = nullptr;
  bool chosen() const {
    return user->parsed() || session->parsed() || penalty->parsed() || broadcast->parsed();
  }
};

// Adds them to `app`; parsing fills `line`, which outlives `app`.
OperatorCommands AddOperatorCommands(CLI::App& app, OperatorLine& line);

// Carries out what was parsed. `connect` is called once, after everything that has to be read or
// asked for was. Returns what belongs on standard output, rendered for a terminal. A message of an
// error may quote names and lines of files: render it as untrusted text.
using ConnectAdmin = absl::FunctionRef<absl::StatusOr<v1::AdminService::StubInterface*>()>;
absl::StatusOr<std::string> RunOperatorCommand(const OperatorCommands& commands,
                                               const OperatorLine& line, ConnectAdmin connect);

}  // namespace p2p::server
