#include "peer-client/run_oneshot.h"

#include <unistd.h>

#include <thread>
#include <tuple>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "common/wire/limits.h"
#include "peer-client/client.h"
#include "peer-client/oneshot/beside.h"
#include "peer-client/oneshot/local_socket.h"
#include "peer-client/oneshot/oneshot_options.h"

namespace p2p::client {
namespace {

// Another one-shot holds the data directory for as long as its work takes.
constexpr Duration kTurnComes = 120s;
constexpr auto kLookAgain = std::chrono::milliseconds(50);

void Complain(absl::string_view text) {
  WriteDiagnostic(absl::StrCat("peer-client: ", RenderUntrusted(text, TextKind::kLine)));
}

// HOST, HOST:PORT, [V6]:PORT or a bare IPv6 address.
bool TakeServer(const std::string& text, ClientOptions& options) {
  if (const auto endpoint = ParseEndpoint(text)) {
    std::tie(options.host, options.port) = *endpoint;
    return true;
  }
  if (text.empty() || text.find_first_of("[]/ ") != std::string::npos) return false;
  const size_t colon = text.find(':');
  if (colon != std::string::npos && text.find(':', colon + 1) == std::string::npos) return false;
  options.host = text;
  options.port = wire::kDefaultPort;
  return true;
}

// The data directory when it is free, or the socket of the client that runs on it.
struct Door {
  std::unique_ptr<DataDirectory> directory;
  net::UniqueFd socket;
};

absl::StatusOr<Door> FindDoor(const std::string& data_dir, Duration patience, const Clock& clock) {
  const MonoTime end = clock.Mono() + patience;
  while (true) {
    auto directory = DataDirectory::Open(data_dir);
    if (directory.ok()) return Door{*std::move(directory), {}};
    if (!absl::IsAlreadyExists(directory.status())) return directory.status();
    auto socket = oneshot::ConnectLocal(data_dir);
    if (socket.ok()) return Door{nullptr, *std::move(socket)};
    if (absl::IsPermissionDenied(socket.status())) return socket.status();
    if (clock.Mono() >= end) return directory.status();
    std::this_thread::sleep_for(kLookAgain);  // A file lock cannot be awaited with a time limit.
  }
}

ExitCode Execute(ClientOptions options, oneshot::TaskSpec spec, oneshot::Report& report) {
  const SystemClock clock;
  auto door = FindDoor(options.data_dir, spec.connect_wait.value_or(kTurnComes), clock);
  if (!door.ok()) {
    Complain(door.status().message());
    return ExitCode::kError;
  }
  if (door->socket.valid()) {
    const std::string server = options.host.empty() ? "" : EndpointText(options.host, options.port);
    return oneshot::RunBeside(std::move(door->socket), std::move(spec), report, server, clock);
  }
  if (const auto status = FillServer(options, *door->directory); !status.ok()) {
    Complain(status.message());
    return absl::IsNotFound(status) ? ExitCode::kUsage : ExitCode::kError;
  }
  crypto::OsRandom random;
  return RunOneShotClient(options, *door->directory, clock, random, std::move(spec), report);
}

}  // namespace

// Without HOST: the server used last.
absl::Status FillServer(ClientOptions& options, const DataDirectory& directory) {
  if (!options.host.empty()) return absl::OkStatus();
  const auto known = directory.KnownServers();
  if (!known.ok()) return known.status();
  const auto last = known->empty() ? std::nullopt : ParseEndpoint(known->front().endpoint);
  if (!last)
    return absl::NotFoundError(
        "no server is known yet; name one: peer-client HOST [PORT], or --server HOST:PORT");
  std::tie(options.host, options.port) = *last;
  return absl::OkStatus();
}

ExitCode RunOneShot(int argc, char** argv) {
  const auto verb = oneshot::ParseVerb(argv[1]);
  if (!verb) {
    Complain(absl::StrCat("the sub-command ", argv[1], " is not in this version"));
    return ExitCode::kUsage;
  }
  CLI::App app("PeerToPeer Broadcast: one command, then the end",
               absl::StrCat("peer-client ", argv[1]));
  CommandLine line;
  oneshot::OneShotLine shot;
  AddCommonOptions(app, line);
  oneshot::AddOneShotOptions(app, *verb, shot);
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::kOk : ExitCode::kUsage;
  }
  auto options = ResolveOptions(line);
  if (!options.ok()) {
    Complain(options.status().message());
    return ExitCode::kConfig;
  }
  if (!shot.server.empty() && !TakeServer(shot.server, *options)) {
    Complain(absl::StrCat("--server ", shot.server, ": must be HOST:PORT"));
    return ExitCode::kUsage;
  }
  options->take_over = shot.take_over;
  auto spec = oneshot::ResolveTask(*verb, shot);
  if (!spec.ok()) {
    Complain(spec.status().message());
    return ExitCode::kUsage;
  }
  OutputQueue output(STDOUT_FILENO);
  oneshot::Report report(*oneshot::ParseOutputForm(shot.form), *verb == oneshot::Verb::kWatch,
                         output);
  const ExitCode code = Execute(*std::move(options), *std::move(spec), report);
  if (output.ok() || code != ExitCode::kOk) return code;
  Complain(output.status().message());  // Known only after the task had done its work.
  return ExitCode::kError;
}

}  // namespace p2p::client
