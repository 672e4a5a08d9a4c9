#include "control-server/server_options.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/file.h"
#include "common/wire/limits.h"
#include "control-server/limit_options.h"
#include "control-server/options_file.h"

namespace p2p::server {
namespace {

constexpr char kDefaultListen[] = "[::]:4400";

absl::StatusOr<net::SocketAddress> ParseAddress(absl::string_view option, absl::string_view text) {
  const auto address = net::SocketAddress::Parse(text);
  if (!address) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, ": ", RenderUntrusted(text, TextKind::kLine),
                     " is not ADDRESS:PORT, for example [::]:4400 or 127.0.0.1:4400"));
  }
  return *address;
}

absl::Status CheckLength(absl::string_view key, absl::string_view text, size_t limit) {
  if (text.size() <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(key, " is longer than ", limit, " bytes"));
}

absl::Status NotInThisVersion(absl::string_view option) {
  return absl::InvalidArgumentError(
      absl::StrCat(option, " is not available in this version of the server"));
}

// What the command line says replaces what the file says.
void Override(FileOptions& file, const CommandLine& line) {
  const auto take = [](auto& to, const auto& from) {
    if (from) to = *from;
  };
  take(file.listen, line.listen);
  take(file.relay_listen, line.relay_listen);
  take(file.relay_token_file, line.relay_token_file);
  take(file.relay_workers, line.relay_workers);
  take(file.relay_egress_mbit, line.relay_egress_mbit);
  take(file.data_dir, line.data_dir);
  take(file.tls_cert, line.tls_cert);
  take(file.tls_key, line.tls_key);
  take(file.max_connections, line.max_connections);
  take(file.http_listen, line.http_listen);
  take(file.admin_socket, line.admin_socket);
  take(file.log_format, line.log_format);
  if (!line.tls_names.empty()) file.tls_names = line.tls_names;
  if (line.reflection) file.reflection = true;
}

absl::Status ResolveAddresses(const FileOptions& file, ServerOptions& options) {
  P2P_ASSIGN_OR_RETURN(options.listen,
                       ParseAddress("--listen", file.listen.value_or(kDefaultListen)));
  const std::string relay = file.relay_listen.value_or(kDefaultListen);
  if (relay != "none") {
    P2P_ASSIGN_OR_RETURN(options.relay_listen, ParseAddress("--relay-listen", relay));
  }
  options.relay_token_file = file.relay_token_file.value_or("");
  if (!options.relay_token_file.empty() && options.relay_listen) {
    return absl::InvalidArgumentError(
        "--relay-token-file is for a udp-relay process instead of the server's own relay: add "
        "--relay-listen none");
  }
  if (file.relay_workers) {
    options.relay.workers =
        static_cast<uint32_t>(std::min<uint64_t>(*file.relay_workers, UINT32_MAX));
  }
  if (file.relay_egress_mbit) options.relay.egress_mbit = *file.relay_egress_mbit;
  P2P_RETURN_IF_ERROR(options.relay.Check());
  const auto loopback = [](const net::SocketAddress& a) { return a.ip.IsLoopback(); };
  const bool all_loopback =
      loopback(options.listen) && (!options.relay_listen || loopback(*options.relay_listen));
  options.reflection = file.reflection.value_or(all_loopback);
  return absl::OkStatus();
}

}  // namespace

std::string DefaultDataDirectory() {
  if (::geteuid() == 0) return "/var/lib/p2p";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && state[0] == '/') {
    return absl::StrCat(state, "/p2p/server");
  }
  const char* home = std::getenv("HOME");
  return absl::StrCat(home != nullptr ? home : ".", "/.local/state/p2p/server");
}

void AddServerOptions(CLI::App& app, CommandLine& line) {
  app.add_option("--config", line.config, "TOML file with these options and [timing]");
  app.add_option("--listen", line.listen, "address and TCP port for clients (default [::]:4400)");
  app.add_option("--relay-listen", line.relay_listen,
                 "address and UDP port for broadcasts, or none (default [::]:4400)");
  app.add_option("--relay-token-file", line.relay_token_file,
                 "accept a udp-relay process that has this token (with --relay-listen none)");
  app.add_option("--relay-workers", line.relay_workers,
                 "threads that send broadcasts, each with a share of the clients (default 1)");
  app.add_option("--relay-egress-mbit", line.relay_egress_mbit,
                 "broadcasts take at most so many Mbit/s in all (default 1000)");
  app.add_option("--data-dir", line.data_dir, "where the server keeps its state");
  app.add_option("--tls-cert", line.tls_cert, "certificate chain, PEM")
      ->needs(app.add_option("--tls-key", line.tls_key, "its private key, PEM"));
  // One value each, so that whatever follows is not swallowed.
  app.add_option("--tls-name", line.tls_names,
                 "a further DNS name or address for the certificate that the server makes itself")
      ->allow_extra_args(false);
  app.add_option("--max-connections", line.max_connections,
                 "serve at most this many clients (default: what the open-files limit allows)");
  app.add_option("--http-listen", line.http_listen, "address for metrics, or none (default none)");
  app.add_option("--admin-socket", line.admin_socket,
                 "Unix socket for the operator, or none (default admin.sock in --data-dir)");
  app.add_option("--log-format", line.log_format, "text or json (default text)");
  app.add_flag("--reflection", line.reflection,
               "offer gRPC reflection (default: only when every address is loopback)");
  app.add_option("--set", line.set, "timing.KEY=VALUE or limits.KEY=NUMBER, for tests")
      ->allow_extra_args(false);
}

absl::StatusOr<ServerOptions> ResolveOptions(const CommandLine& line) {
  FileOptions file;
  if (!line.config.empty()) {
    P2P_ASSIGN_OR_RETURN(const std::string text, net::ReadFile(line.config, 1 << 20));
    P2P_ASSIGN_OR_RETURN(file, ParseOptionsFile(text, line.config));
  }
  Override(file, line);

  ServerOptions options;
  P2P_RETURN_IF_ERROR(ResolveAddresses(file, options));
  if (file.http_listen.value_or("none") != "none") return NotInThisVersion("--http-listen");
  if (file.tls_cert.has_value() != file.tls_key.has_value()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key belong together");
  }
  const std::string log_format = file.log_format.value_or("text");
  if (log_format != "text" && log_format != "json") {
    return absl::InvalidArgumentError("--log-format must be text or json");
  }
  options.log_format = log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  options.data_dir = file.data_dir.value_or(DefaultDataDirectory());
  options.admin_socket = file.admin_socket.value_or(absl::StrCat(options.data_dir, "/admin.sock"));
  if (options.admin_socket == "none") options.admin_socket.clear();
  options.tls_cert = file.tls_cert.value_or("");
  options.tls_key = file.tls_key.value_or("");
  options.tls_names = file.tls_names;
  options.max_connections = file.max_connections;
  options.name = file.name.value_or(options.name);
  options.greeting = file.greeting.value_or(options.greeting);
  options.signup_open = file.signup_open.value_or(options.signup_open);
  options.allow_lookalikes = file.allow_lookalikes.value_or(options.allow_lookalikes);
  P2P_RETURN_IF_ERROR(CheckLength("server.name", options.name, wire::kMaxServerName));
  P2P_RETURN_IF_ERROR(CheckLength("server.greeting", options.greeting, wire::kMaxGreeting));
  options.rates = file.rates;
  options.timing = file.timing;
  for (const std::string& assignment : line.set) {
    P2P_RETURN_IF_ERROR(absl::StartsWith(assignment, "limits.")
                            ? ApplyLimitOption(options.rates, assignment)
                            : config::ApplySetOption(options.timing, assignment));
  }
  return options;
}

std::string DescribeOptions(const ServerOptions& options) {
  const auto quoted = [](absl::string_view text) { return absl::StrCat("\"", text, "\""); };
  std::string out = absl::StrCat(
      "[server]\nlisten = ", quoted(options.listen.ToString()),
      "\nrelay_listen = ", quoted(options.relay_listen ? options.relay_listen->ToString() : "none"),
      "\nrelay_workers = ", options.relay.workers,
      "\nrelay_egress_mbit = ", options.relay.egress_mbit,
      "\ndata_dir = ", quoted(options.data_dir),
      "\nadmin_socket = ", quoted(options.admin_socket.empty() ? "none" : options.admin_socket),
      "\nname = ", quoted(options.name), "\ngreeting = ", quoted(options.greeting),
      "\nsignup_open = ", options.signup_open ? "true" : "false",
      "\nreflection = ", options.reflection ? "true" : "false",
      "\nlog_format = ", quoted(options.log_format == LogFormat::kJson ? "json" : "text"), "\n");
  if (!options.relay_token_file.empty()) {
    absl::StrAppend(&out, "relay_token_file = ", quoted(options.relay_token_file), "\n");
  }
  if (options.max_connections) {
    absl::StrAppend(&out, "max_connections = ", *options.max_connections, "\n");
  }
  absl::StrAppend(&out,
                  "\n[accounts]\nallow_lookalikes = ", options.allow_lookalikes ? "true" : "false",
                  "\n\n[tls]\n");
  if (!options.tls_cert.empty()) {
    absl::StrAppend(&out, "cert = ", quoted(options.tls_cert), "\nkey = ", quoted(options.tls_key),
                    "\n");
  }
  absl::StrAppend(&out, "names = [",
                  absl::StrJoin(options.tls_names, ", ",
                                [&](std::string* to, const std::string& name) {
                                  absl::StrAppend(to, quoted(name));
                                }),
                  "]\n\n[limits]\n");
  for (const auto& [key, value] : ListLimits(options.rates)) {
    absl::StrAppend(&out, key, " = ", value, "\n");
  }
  absl::StrAppend(&out, "\n[timing]\n");
  for (const auto& [key, value] : config::ListTiming(options.timing)) {
    absl::StrAppend(&out, key, " = ", quoted(value), "\n");
  }
  return out;
}

}  // namespace p2p::server
