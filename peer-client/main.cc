// peer-client: the command line, and what surrounds the client.
#include <cstdio>

#include "CLI/CLI.hpp"
#include "common/base/clock.h"
#include "common/base/harden.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "common/rpc/quiet_grpc.h"
#include "peer-client/client.h"
#include "peer-client/run_oneshot.h"

namespace p2p::client {
namespace {

void Complain(absl::string_view text) {
  std::fprintf(stderr, "peer-client: %s\n", RenderUntrusted(text, TextKind::kLine).c_str());
}

ExitCode Main(int argc, char** argv) {
  rpc::QuietGrpc();
  HardenProcess();
  CLI::App app("PeerToPeer Broadcast: talk to people directly, tell everybody something",
               "peer-client");
  CommandLine line;
  AddClientOptions(app, line);
  app.footer(
      "\nOne command, then the end: peer-client signup|login|logout|list|request|send|broadcast|\n"
      "broadcast-status|broadcast-revoke|verify|watch|doctor [OPTIONS] …; peer-client COMMAND "
      "--help says more.");
  if (argc > 1 && IsSubcommand(argv[1])) {
    InitLog(LogFormat::kText, LogLevel::kWarning);
    return RunOneShot(argc, argv);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::kOk : ExitCode::kUsage;
  }
  auto options = ResolveOptions(line);
  if (!options.ok()) {
    Complain(options.status().message());
    return ExitCode::kConfig;
  }
  if (!line.set.empty()) Complain("warning: --set is for tests");
  // The terminal belongs to the face; only trouble is logged.
  InitLog(LogFormat::kText, LogLevel::kWarning);
  const auto directory = DataDirectory::Open(options->data_dir);
  if (!directory.ok()) {
    Complain(directory.status().message());
    return ExitCode::kError;
  }
  if (const auto status = FillServer(*options, **directory); !status.ok()) {
    Complain(status.message());
    return absl::IsNotFound(status) ? ExitCode::kUsage : ExitCode::kError;
  }
  const SystemClock clock;
  crypto::OsRandom random;
  return RunClient(*options, **directory, clock, random);
}

}  // namespace
}  // namespace p2p::client

int main(int argc, char** argv) { return static_cast<int>(p2p::client::Main(argc, argv)); }
