// peer-client: the command line, and what surrounds the client.
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>

#include "CLI/CLI.hpp"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "peer-client/client.h"
#include "peer-client/run_oneshot.h"

namespace p2p::client {
namespace {

void Complain(absl::string_view text) {
  std::fprintf(stderr, "peer-client: %s\n", RenderUntrusted(text, TextKind::kLine).c_str());
}

// gRPC's deadlock detection costs CPU and can abort; its and protobuf's logs are not for users.
void QuietLibraries() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function([](gpr_log_func_args*) {});
}

void HardenProcess() {
  ::umask(077);
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::signal(SIGPIPE, SIG_IGN);
}

ExitCode Main(int argc, char** argv) {
  QuietLibraries();
  HardenProcess();
  CLI::App app("PeerToPeer Broadcast: talk to people directly, tell everybody something",
               "peer-client");
  CommandLine line;
  AddClientOptions(app, line);
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
