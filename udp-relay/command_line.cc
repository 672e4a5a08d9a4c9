#include "udp-relay/command_line.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/text.h"

namespace p2p::relay {
namespace {

constexpr size_t kMaxHostName = 253;
// "SHA256:" and 32 bytes in unpadded base64.
constexpr size_t kFingerprintText = 7 + 43;

absl::Status Wrong(absl::string_view option, absl::string_view text, absl::string_view may_be) {
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": ", RenderUntrusted(text, TextKind::kLine), " is not ", may_be));
}

// An address or a name, and a port.
absl::Status ParseControl(absl::string_view text, LinkOptions& link) {
  const auto address = net::SocketAddress::Parse(text);
  if (address && address->port != 0 && !address->ip.IsUnspecified()) {
    link.host = address->ip.ToString();
    link.port = address->port;
    return absl::OkStatus();
  }
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (address || colon == absl::string_view::npos || colon == 0 || colon > kMaxHostName ||
      absl::StrContains(text.substr(0, colon), ":") ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 || port > UINT16_MAX) {
    return Wrong("--control", text, "HOST:PORT of the control-server, for example 10.0.0.1:4400");
  }
  link.host = std::string(text.substr(0, colon));
  link.port = static_cast<uint16_t>(port);
  return absl::OkStatus();
}

absl::Status ParseAdvertise(const CommandLine& line, const net::SocketAddress& listen,
                            LinkOptions& link) {
  if (line.advertise.empty()) {
    // Bound to one address: that is where clients find it.
    if (!listen.ip.IsUnspecified()) link.advertise_ip = listen.ip.ToString();
    return absl::OkStatus();
  }
  const auto address = net::SocketAddress::Parse(line.advertise);
  if (!address || address->port == 0 || address->ip.IsUnspecified() || address->ip.IsMulticast()) {
    return Wrong("--advertise", line.advertise, "ADDRESS:PORT at which clients reach this relay");
  }
  link.advertise_ip = address->ip.ToString();
  link.advertise_port = address->port;
  return absl::OkStatus();
}

}  // namespace

void AddRelayOptions(CLI::App& app, CommandLine& line) {
  app.add_option("--control", line.control, "HOST:PORT of the control-server")->required();
  app.add_option("--listen", line.listen, "address and UDP port for clients (default [::]:4400)");
  app.add_option("--token-file", line.token_file,
                 "file of mode 0600 with the token of `control-server relay-token`")
      ->required();
  app.add_option("--server-fingerprint", line.fingerprint,
                 "SHA256:… as the control-server prints it; no other key is accepted")
      ->required();
  app.add_option("--advertise", line.advertise,
                 "ADDRESS:PORT that clients are told (default: what --listen says)");
  app.add_option("--workers", line.setup.workers,
                 "threads that send, each with a share of the clients (default 1)");
  app.add_option("--egress-mbit", line.setup.egress_mbit,
                 "broadcasts take at most so many Mbit/s in all (default 1000)");
  app.add_option("--log-format", line.log_format, "text or json (default text)");
  app.add_option("--set", line.set, "timing.KEY=VALUE, for tests")->allow_extra_args(false);
}

absl::StatusOr<ProcessOptions> ResolveOptions(const CommandLine& line) {
  ProcessOptions options;
  P2P_RETURN_IF_ERROR(ParseControl(line.control, options.link));
  const auto listen = net::SocketAddress::Parse(line.listen);
  if (!listen) return Wrong("--listen", line.listen, "ADDRESS:PORT, for example [::]:4400");
  options.listen = *listen;
  P2P_RETURN_IF_ERROR(line.setup.Check());
  options.setup = line.setup;
  P2P_RETURN_IF_ERROR(ParseAdvertise(line, *listen, options.link));
  if (!absl::StartsWith(line.fingerprint, "SHA256:") ||
      line.fingerprint.size() != kFingerprintText) {
    return Wrong("--server-fingerprint", line.fingerprint, "SHA256: and 43 characters of base64");
  }
  options.link.fingerprint = line.fingerprint;
  options.link.token_file = line.token_file;
  if (line.log_format != "text" && line.log_format != "json") {
    return Wrong("--log-format", line.log_format, "text or json");
  }
  for (const std::string& assignment : line.set) {
    P2P_RETURN_IF_ERROR(config::ApplySetOption(options.link.timing, assignment));
  }
  return options;
}

}  // namespace p2p::relay
