// The client's command line and configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/timing.h"

namespace CLI {
class App;
}

namespace p2p::client {

// As typed; what is not set comes from the file, then from the defaults.
struct CommandLine {
  std::optional<std::string> host;
  std::optional<uint16_t> port;
  bool plain = false;
  bool jsonl = false;
  std::optional<std::string> data_dir;
  std::optional<std::string> downloads;
  std::string config;
  std::optional<std::string> server_fingerprint;
  std::optional<std::string> ca;
  bool trust_on_first_use = false;
  std::vector<std::string> set;
};

struct ClientOptions {
  std::string host;  // Empty: the last server.
  uint16_t port = 0;
  bool jsonl = false;
  std::string data_dir;
  std::string server_fingerprint;  // Empty: the known one.
  std::string ca_pem;              // Empty: fingerprints decide.
  bool trust_on_first_use = false;
  bool take_over = true;  // Attach in place of another client of the account.
  Duration history_life = std::chrono::hours(24 * 365);  // Zero: none is kept.
  bool read_receipts = true;                             // Peers hear what was shown here.
  std::string downloads;                                 // Folder for received files.
  std::vector<std::string> auto_accept;                  // accept.auto of the file.
  config::Timing timing;
};

void AddClientOptions(CLI::App& app, CommandLine& line);
// Those that sub-commands have too.
void AddCommonOptions(CLI::App& app, CommandLine& line);

// InvalidArgument names the option or key that is wrong.
absl::StatusOr<ClientOptions> ResolveOptions(const CommandLine& line);

// A one-shot sub-command of the contract.
bool IsSubcommand(absl::string_view word);

// $XDG_STATE_HOME/p2p/client, else ~/.local/state/p2p/client.
std::string DefaultDataDirectory();

}  // namespace p2p::client
