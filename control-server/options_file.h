// The configuration file of the control-server, TOML:
//
//   [server]   listen relay_listen relay_token_file relay_workers relay_egress_mbit data_dir
//              max_connections http_listen admin_socket reflection log_format name greeting
//              signup_open
//   [accounts] allow_lookalikes
//   [tls]      cert key names
//   [limits]   every key of control-server/limit_options.h, as a number
//   [timing]   every key of common/config/timing.h, as "30s", "250ms", "12h"
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/timing.h"
#include "control-server/domain/rate_limit.h"

namespace p2p::server {

struct FileOptions {
  std::optional<std::string> listen;
  std::optional<std::string> relay_listen;
  std::optional<std::string> relay_token_file;
  std::optional<uint64_t> relay_workers;
  std::optional<uint64_t> relay_egress_mbit;
  std::optional<std::string> data_dir;
  std::optional<uint64_t> max_connections;
  std::optional<std::string> http_listen;
  std::optional<std::string> admin_socket;
  std::optional<bool> reflection;
  std::optional<std::string> log_format;
  std::optional<std::string> name;
  std::optional<std::string> greeting;
  std::optional<bool> signup_open;
  std::optional<bool> allow_lookalikes;
  std::optional<std::string> tls_cert;
  std::optional<std::string> tls_key;
  std::vector<std::string> tls_names;
  RateOptions rates;
  config::Timing timing;
};

// InvalidArgument names the file and the key: unknown, of the wrong type, or no TOML at all.
absl::StatusOr<FileOptions> ParseOptionsFile(absl::string_view text, absl::string_view file_name);

}  // namespace p2p::server
