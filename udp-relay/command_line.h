// What an operator can choose for a relay process.
#pragma once

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "common/base/log.h"
#include "udp-relay/relay_process.h"

namespace p2p::relay {

struct CommandLine {
  std::string control;
  std::string listen = "[::]:4400";
  std::string token_file;
  RelaySetup setup;
  std::string fingerprint;
  std::string advertise;
  std::string log_format = "text";
  std::vector<std::string> set;
};

// Adds the options to `app`; parsing fills `line`, which outlives `app`.
void AddRelayOptions(CLI::App& app, CommandLine& line);

// InvalidArgument says which option is wrong and what it may be. Touches no file.
absl::StatusOr<ProcessOptions> ResolveOptions(const CommandLine& line);

}  // namespace p2p::relay
