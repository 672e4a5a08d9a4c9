// control-server: the command line, and the life of the process around the Server.
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "CLI/CLI.hpp"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/base/harden.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "common/net/service_notify.h"
#include "common/relay/relay_token.h"
#include "control-server/admin/admin_channel.h"
#include "control-server/admin/operator_commands.h"
#include "control-server/health_probe.h"
#include "control-server/limits_report.h"
#include "control-server/server.h"
#include "control-server/server_options.h"

namespace p2p::server {
namespace {

enum ExitCode {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kUnreachable = 3,
  kNotAllowed = 4,
  kBadConfiguration = 78
};

constexpr timespec kHousekeeping{.tv_sec = 5, .tv_nsec = 0};

void Complain(absl::string_view text) {
  std::fprintf(stderr, "control-server: %s\n", RenderUntrusted(text, TextKind::kLine).c_str());
}

// Blocked in every thread that starts later; only WaitForEnd takes them.
sigset_t BlockEndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int WaitForEnd(const sigset_t& signals, Server& server) {
  while (true) {
    const int signal = ::sigtimedwait(&signals, nullptr, &kHousekeeping);
    if (signal > 0) return signal;
    server.Housekeep();
  }
}

int StartFailed(const absl::Status& status) {
  Complain(status.message());
  return absl::IsInvalidArgument(status) ? kBadConfiguration : kError;
}

int Serve(const CommandLine& line) {
  const auto options = ResolveOptions(line);
  if (!options.ok()) {
    Complain(options.status().message());
    return kBadConfiguration;
  }
  InitLog(options->log_format);
  if (!line.set.empty()) Complain("warning: --set is for tests");
  const sigset_t signals = BlockEndSignals();
  const SystemClock clock;
  auto server = Server::Start(*options, clock, [](const absl::Status& status) {
    // What is on the disk now is unknown: only a fresh start finds out.
    LogError("store_failed", {{"error", status.message()}});
    ::_exit(kError);
  });
  if (!server.ok()) return StartFailed(server.status());
  LogInfo("server_started", {{"control", (*server)->address().ToString()},
                             {"fingerprint", (*server)->identity().fingerprint}});
  std::printf("%s\n", (*server)->ReadyLine().c_str());
  std::fflush(stdout);
  net::NotifyServiceManager("READY=1");
  const int signal = WaitForEnd(signals, **server);
  LogInfo("server_stopping", {{"signal", signal}});
  net::NotifyServiceManager("STOPPING=1");
  (*server)->Shutdown();
  LogInfo("server_stopped");
  return kOk;
}

int CheckConfig(const CommandLine& line) {
  const auto options = ResolveOptions(line);
  if (!options.ok()) {
    Complain(options.status().message());
    return kBadConfiguration;
  }
  std::printf("%s", DescribeOptions(*options).c_str());
  return kOk;
}

int Limits(const CommandLine& line, const std::string& output) {
  const auto options = ResolveOptions(line);
  const auto machine = options.ok() ? ReadMachine() : options.status();
  const auto report = machine.ok() ? MakeLimitsReport(*options, *machine) : machine.status();
  if (!report.ok()) {
    Complain(report.status().message());
    return kBadConfiguration;
  }
  std::printf("%s", (output == "json" ? LimitsJson(*report) : LimitsText(*report)).c_str());
  return kOk;
}

// Without a target: the server that this configuration would start, on this host.
int Health(const CommandLine& line, std::string target) {
  if (target.empty()) {
    const auto options = ResolveOptions(line);
    if (!options.ok()) {
      Complain(options.status().message());
      return kBadConfiguration;
    }
    net::SocketAddress address = options->listen;
    if (address.ip.IsUnspecified()) address.ip = *net::IpAddress::Parse("127.0.0.1");
    target = address.ToString();
  }
  const absl::Status healthy = ProbeHealth(target);
  if (healthy.ok()) {
    std::printf("serving\n");
    return kOk;
  }
  Complain(healthy.message());
  return absl::IsUnavailable(healthy) ? kUnreachable : kError;
}

int PrintRelayToken() {
  crypto::OsRandom random;
  const SecretText token = relay::MakeRelayToken(random);
  const absl::string_view text = token.view();
  const bool printed = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                       std::putchar('\n') == '\n' && std::fflush(stdout) == 0;
  return printed ? kOk : kError;
}

// On the server of this configuration, running or not.
int Operate(const CommandLine& line, const OperatorCommands& commands,
            const OperatorLine& operator_line) {
  const auto options = ResolveOptions(line);
  if (!options.ok()) {
    Complain(options.status().message());
    return kBadConfiguration;
  }
  std::unique_ptr<AdminChannel> channel;
  const auto connect = [&]() -> absl::StatusOr<v1::AdminService::StubInterface*> {
    P2P_ASSIGN_OR_RETURN(
        channel, AdminChannel::Open(options->admin_socket, options->data_dir, options->timing));
    return &channel->stub();
  };
  const auto output = RunOperatorCommand(commands, operator_line, connect);
  if (!output.ok()) {
    for (const auto& finding : absl::StrSplit(output.status().message(), '\n')) Complain(finding);
    if (absl::IsUnavailable(output.status())) return kUnreachable;
    return absl::IsPermissionDenied(output.status()) ? kNotAllowed : kError;
  }
  return std::fputs(output->c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? kOk : kError;
}

int Main(int argc, char** argv) {
  QuietGrpc();
  HardenProcess();
  CLI::App app("PeerToPeer Broadcast: the server that introduces people and carries announcements",
               "control-server");
  CommandLine line;
  AddServerOptions(app, line);
  app.fallthrough();
  app.require_subcommand(0, 1);
  auto* check_config =
      app.add_subcommand("check-config", "say what the configuration means, start nothing");
  auto* limits =
      app.add_subcommand("limits", "say how many clients this machine can hold, and why");
  std::string limits_output = "text";
  limits->add_option("-o,--output", limits_output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  auto* health = app.add_subcommand("health", "ask a running server whether it serves");
  std::string target;
  health->add_option("target", target, "HOST:PORT (default: this host, the configured port)");
  auto* relay_token = app.add_subcommand(
      "relay-token", "print a new token for a udp-relay process; keep it in a file of mode 0600");
  OperatorLine operator_line;
  const OperatorCommands operator_commands = AddOperatorCommands(app, operator_line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (*check_config) return CheckConfig(line);
  if (*limits) return Limits(line, limits_output);
  if (*health) return Health(line, target);
  if (*relay_token) return PrintRelayToken();
  if (operator_commands.chosen()) return Operate(line, operator_commands, operator_line);
  return Serve(line);
}

}  // namespace
}  // namespace p2p::server

int main(int argc, char** argv) { return p2p::server::Main(argc, argv); }
