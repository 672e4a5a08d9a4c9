#include "peer-client/client_options.h"

#include <toml++/toml.h>
#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/file.h"
#include "common/wire/limits.h"
#include "peer-client/state/data_directory.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kSubcommands[] = {"signup",
                                              "login",
                                              "logout",
                                              "list",
                                              "request",
                                              "send",
                                              "send-file",
                                              "broadcast",
                                              "broadcast-status",
                                              "broadcast-revoke",
                                              "watch",
                                              "verify",
                                              "doctor"};

absl::Status Invalid(absl::string_view what, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
}

absl::Status ApplySet(config::Timing& timing, absl::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos || !absl::StartsWith(assignment, "timing.")) {
    return Invalid(absl::StrCat("--set ", assignment), "only timing.KEY=VALUE can be set");
  }
  const absl::string_view key = absl::StripPrefix(assignment.substr(0, equals), "timing.");
  return config::SetTiming(timing, key, assignment.substr(equals + 1));
}

// A value of the file, unless the command line has it; another type is an error.
template <class T>
absl::Status Take(const toml::table& file, const char* key, std::optional<T>& to) {
  const toml::node* const node = file.get(key);
  if (node == nullptr || to) return absl::OkStatus();
  const auto value = node->value_exact<T>();
  if (!value) return Invalid(key, "wrong type");
  to = *value;
  return absl::OkStatus();
}

absl::Status TakeTiming(const toml::table& file, config::Timing& timing) {
  const toml::node* const node = file.get("timing");
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_table()) return Invalid("timing", "must be a table");
  for (const auto& [key, value] : *node->as_table()) {
    const auto text = value.value_exact<std::string>();
    if (!text)
      return Invalid(absl::StrCat("timing.", key.str().data()), "must be a text like \"5s\"");
    P2P_RETURN_IF_ERROR(config::SetTiming(timing, std::string(key.str()), *text));
  }
  return absl::OkStatus();
}

// [accept] auto = ["bob"]: whose requests are approved without asking.
absl::Status TakeAutoAccept(const toml::table& file, std::vector<std::string>& names) {
  const toml::node* const node = file.get("accept");
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_table()) return Invalid("accept", "must be a table");
  for (const auto& [key, value] : *node->as_table()) {
    if (key.str() != "auto")
      return Invalid(absl::StrCat("accept.", key.str().data()), "unknown key");
    const toml::array* list = value.as_array();
    if (list == nullptr) return Invalid("accept.auto", "must be a list of usernames");
    for (const toml::node& element : *list) {
      const auto name = element.value_exact<std::string>();
      if (!name) return Invalid("accept.auto", "must be a list of usernames");
      names.push_back(*name);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckKeys(const toml::table& file) {
  constexpr absl::string_view kKnown[] = {
      "host",     "port",  "downloads",          "history_days", "read_receipts",
      "data_dir", "face",  "server_fingerprint", "ca",           "trust_on_first_use",
      "timing",   "accept"};
  for (const auto& [key, value] : file) {
    const std::string name(key.str());
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
      return Invalid(name, "unknown key");
    }
  }
  return absl::OkStatus();
}

// What the file says where the command line says nothing.
absl::Status MergeFile(const toml::table& file, CommandLine& line, config::Timing& timing,
                       Duration& history_life, bool& read_receipts) {
  P2P_RETURN_IF_ERROR(CheckKeys(file));
  P2P_RETURN_IF_ERROR(Take(file, "host", line.host));
  P2P_RETURN_IF_ERROR(Take(file, "data_dir", line.data_dir));
  P2P_RETURN_IF_ERROR(Take(file, "downloads", line.downloads));
  P2P_RETURN_IF_ERROR(Take(file, "server_fingerprint", line.server_fingerprint));
  P2P_RETURN_IF_ERROR(Take(file, "ca", line.ca));
  std::optional<int64_t> port;
  P2P_RETURN_IF_ERROR(Take(file, "port", port));
  if (port && (*port < 1 || *port > 65535)) return Invalid("port", "must be 1 to 65535");
  if (port && !line.port) line.port = static_cast<uint16_t>(*port);
  std::optional<int64_t> days;
  P2P_RETURN_IF_ERROR(Take(file, "history_days", days));
  if (days && (*days < 0 || *days > 36500)) return Invalid("history_days", "must be 0 to 36500");
  if (days) history_life = std::chrono::hours(24 * *days);
  std::optional<bool> receipts;
  P2P_RETURN_IF_ERROR(Take(file, "read_receipts", receipts));
  read_receipts = receipts.value_or(true);
  std::optional<bool> trust;
  P2P_RETURN_IF_ERROR(Take(file, "trust_on_first_use", trust));
  line.trust_on_first_use = line.trust_on_first_use || trust.value_or(false);
  std::optional<std::string> face;
  P2P_RETURN_IF_ERROR(Take(file, "face", face));
  if (face && *face != "plain" && *face != "jsonl") {
    return Invalid("face", "must be \"plain\" or \"jsonl\"");
  }
  if (face && !line.plain) line.jsonl = line.jsonl || *face == "jsonl";
  return TakeTiming(file, timing);
}

}  // namespace

void AddClientOptions(CLI::App& app, CommandLine& line) {
  app.add_option("HOST", line.host, "server to connect to (default: the last one)");
  app.add_option("PORT", line.port, "its port (default 4400)")->check(CLI::Range(1, 65535));
  auto* plain = app.add_flag("--plain", line.plain, "lines for people (default)");
  app.add_flag("--jsonl", line.jsonl, "JSON lines for programs")->excludes(plain);
  AddCommonOptions(app, line);
}

void AddCommonOptions(CLI::App& app, CommandLine& line) {
  app.add_option("--data-dir", line.data_dir, "where the client keeps its state");
  app.add_option("--downloads", line.downloads,
                 "where received files go (default: downloads in the data directory)");
  app.add_option("--config", line.config, "TOML file with these options and [timing]");
  app.add_option("--server-fingerprint", line.server_fingerprint,
                 "accept exactly this server key: SHA256:...");
  app.add_option("--ca", line.ca, "verify the server by this authority (PEM file) and its name");
  app.add_flag("--trust-on-first-use", line.trust_on_first_use,
               "accept and remember the key of a server met for the first time");
  app.add_option("--set", line.set, "timing.KEY=VALUE, for tests")
      ->allow_extra_args(false);  // One value each: HOST may follow.
}

absl::StatusOr<ClientOptions> ResolveOptions(const CommandLine& typed) {
  CommandLine line = typed;
  ClientOptions options;
  if (!line.config.empty()) {
    P2P_ASSIGN_OR_RETURN(const std::string text, net::ReadFile(line.config, 1 << 20));
    try {
      const toml::table file = toml::parse(text, line.config);
      absl::Status merged =
          MergeFile(file, line, options.timing, options.history_life, options.read_receipts);
      if (merged.ok()) merged = TakeAutoAccept(file, options.auto_accept);
      if (!merged.ok()) return Invalid(line.config, merged.message());
    } catch (const toml::parse_error& error) {
      return Invalid(line.config, absl::StrCat(std::string(error.description()), " in line ",
                                               error.source().begin.line));
    }
  }
  for (const auto& assignment : line.set) {
    P2P_RETURN_IF_ERROR(ApplySet(options.timing, assignment));
  }
  options.host = line.host.value_or("");
  options.port = line.port.value_or(wire::kDefaultPort);
  options.jsonl = line.jsonl;
  options.data_dir = line.data_dir.value_or(DefaultDataDirectory());
  options.downloads = line.downloads.value_or(absl::StrCat(options.data_dir, "/downloads"));
  options.trust_on_first_use = line.trust_on_first_use;
  options.server_fingerprint = line.server_fingerprint.value_or("");
  if (!options.server_fingerprint.empty() && !ParseFingerprint(options.server_fingerprint)) {
    return Invalid("--server-fingerprint",
                   "must be SHA256: and 43 characters, as the server prints");
  }
  if (line.ca) {
    P2P_ASSIGN_OR_RETURN(options.ca_pem, net::ReadFile(*line.ca, 1 << 20));
    if (!absl::StrContains(options.ca_pem, "BEGIN CERTIFICATE")) {
      return Invalid("--ca", absl::StrCat(*line.ca, " holds no PEM certificate"));
    }
  }
  if (!options.ca_pem.empty() && !options.server_fingerprint.empty()) {
    return Invalid("--ca", "not together with --server-fingerprint");
  }
  return options;
}

bool IsSubcommand(absl::string_view word) {
  return std::find(std::begin(kSubcommands), std::end(kSubcommands), word) !=
         std::end(kSubcommands);
}

std::string DefaultDataDirectory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && state[0] == '/') {
    return absl::StrCat(state, "/p2p/client");
  }
  const char* home = std::getenv("HOME");
  return absl::StrCat(home != nullptr ? home : ".", "/.local/state/p2p/client");
}

}  // namespace p2p::client
