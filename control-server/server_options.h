// What an operator can choose: command line, configuration file, defaults. Later ones of
// defaults < file < command line < --set win.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "common/base/log.h"
#include "common/config/timing.h"
#include "common/net/address.h"
#include "common/relay/relay_setup.h"
#include "control-server/domain/rate_limit.h"

namespace p2p::server {

struct ServerOptions {
  net::SocketAddress listen;
  std::optional<net::SocketAddress> relay_listen;  // nullopt: none.
  std::string relay_token_file;  // Not empty: a relay process may link itself; no own relay then.
  relay::RelaySetup relay;
  std::string data_dir;
  std::string admin_socket;  // Path; empty: none.
  std::string tls_cert;      // Both or none: then the server makes its own.
  std::string tls_key;
  std::vector<std::string> tls_names;  // Further names for a certificate that the server makes.
  std::optional<uint64_t> max_connections;
  bool reflection = false;
  LogFormat log_format = LogFormat::kText;
  std::string name = "PeerToPeer Broadcast";
  std::string greeting = "Welcome. Please log in or sign up.";
  bool signup_open = true;
  bool allow_lookalikes = false;  // Sign-up takes names that look like others.
  RateOptions rates;
  config::Timing timing;
};

// The texts of the command line as they were given; empty or nullopt where they were not.
struct CommandLine {
  std::string config;
  std::optional<std::string> listen;
  std::optional<std::string> relay_listen;
  std::optional<std::string> relay_token_file;
  std::optional<uint64_t> relay_workers;
  std::optional<uint64_t> relay_egress_mbit;
  std::optional<std::string> data_dir;
  std::optional<std::string> tls_cert;
  std::optional<std::string> tls_key;
  std::vector<std::string> tls_names;
  std::optional<uint64_t> max_connections;
  std::optional<std::string> http_listen;
  std::optional<std::string> admin_socket;
  std::optional<std::string> log_format;
  bool reflection = false;
  std::vector<std::string> set;
};

// Adds the options of a server to `app`; parsing fills `line`, which outlives `app`.
void AddServerOptions(CLI::App& app, CommandLine& line);

// Puts everything together. InvalidArgument says which option or key is wrong and what it may be;
// reads the configuration file, touches nothing else.
absl::StatusOr<ServerOptions> ResolveOptions(const CommandLine& line);

// Where state goes without --data-dir.
std::string DefaultDataDirectory();

// The options in force as lines of a configuration file (no secrets are options).
std::string DescribeOptions(const ServerOptions& options);

}  // namespace p2p::server
