// udp-relay: the relay engine in a process of its own, fed by a control-server.
#include <cstdio>

#include "CLI/CLI.hpp"
#include "common/base/clock.h"
#include "common/base/harden.h"
#include "common/base/text.h"
#include "common/net/service_notify.h"
#include "common/rpc/quiet_grpc.h"
#include "udp-relay/command_line.h"

namespace p2p::relay {
namespace {

constexpr char kVersion[] = "udp-relay 0.1";

enum ExitCode { kOk = 0, kError = 1, kUsage = 2, kRefused = 4, kBadConfiguration = 78 };

void Complain(absl::string_view text) {
  std::fprintf(stderr, "udp-relay: %s\n", RenderUntrusted(text, TextKind::kLine).c_str());
}

ExitCode CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kUnauthenticated:
      return kRefused;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:  // The token file.
      return kBadConfiguration;
    default:
      return kError;
  }
}

ExitCode Serve(const CommandLine& line) {
  auto options = ResolveOptions(line);
  if (!options.ok()) {
    Complain(options.status().message());
    return kBadConfiguration;
  }
  options->link.version = kVersion;
  InitLog(line.log_format == "json" ? LogFormat::kJson : LogFormat::kText);
  if (!line.set.empty()) Complain("warning: --set is for tests");
  const SystemClock clock;
  absl::Status result;
  {
    auto process =
        RelayProcess::Create(*std::move(options), clock, [](const net::SocketAddress& address) {
          std::printf("ready relay=%s\n", address.ToString().c_str());
          std::fflush(stdout);
          net::NotifyServiceManager("STATUS=linked");
        });
    // Started is not linked: the server may be away for long, and a boot must not wait for it.
    if (process.ok()) net::NotifyServiceManager("READY=1\nSTATUS=waiting for the server");
    result = process.ok() ? (*process)->Run() : process.status();
    net::NotifyServiceManager("STOPPING=1");
  }
  if (!result.ok()) Complain(result.message());
  return CodeOf(result);
}

int Main(int argc, char** argv) {
  rpc::QuietGrpc();
  HardenProcess();
  CLI::App app("PeerToPeer Broadcast: the relay that sends announcements, fed by a control-server",
               "udp-relay");
  CommandLine line;
  AddRelayOptions(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return Serve(line);
}

}  // namespace
}  // namespace p2p::relay

int main(int argc, char** argv) { return p2p::relay::Main(argc, argv); }
