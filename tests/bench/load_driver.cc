// load_driver --server ADDR:PORT --ca FILE --sessions FILE: many real TLS clients in one process.
// Reads one command a line and answers each with one JSON line when it is over:
//   attach PARALLEL
//   return                                  until somebody was lost and everybody is back
//   resume                                  from now on each try to attach begins with Resume
//   list SECONDS CALLERS PAGE_SIZE LOGINS
//   pairs COUNT PARALLEL
//   broadcasts COUNT EVERY_MS PATIENCE_S
// It ends with its standard input. tests/bench/control_load.py drives it.
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "CLI/CLI.hpp"
#include "absl/synchronization/mutex.h"
#include "asio/executor_work_guard.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/read_until.hpp"
#include "asio/streambuf.hpp"
#include "common/crypto/certificate.h"
#include "google/protobuf/stubs/logging.h"
#include "nlohmann/json.hpp"
#include "tests/bench/load_fleet.h"

namespace p2p::bench {
namespace {

using Json = nlohmann::json;

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

Json ToJson(CallsResult result) {
  return {{"ok", result.ok},
          {"refused", result.refused},
          {"failed", result.failed},
          {"refused_without_retry_info", result.bare},
          {"seconds", Seconds(result.took)},
          {"p50_ms", result.each.Percentile(0.5)},
          {"p99_ms", result.each.Percentile(0.99)}};
}

Json ToJson(AttachResult result) {
  return {{"attached", result.attached},
          {"tries", result.tries},
          {"seconds", Seconds(result.took)},
          {"p50_ms", result.each.Percentile(0.5)},
          {"p99_ms", result.each.Percentile(0.99)}};
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<LoadSession> ReadSessions(const std::string& path) {
  std::istringstream lines(ReadWhole(path));
  std::vector<LoadSession> sessions;
  for (LoadSession s; lines >> s.username >> s.access_token >> s.resume_token >> s.device_seed;) {
    sessions.push_back(s);
  }
  return sessions;
}

// Reads commands, one at a time.
class Console {
 public:
  Console(asio::io_context& io, LoadFleet& fleet)
      : io_(io), fleet_(fleet), in_(io, ::dup(STDIN_FILENO)) {}

  void Read() {
    asio::async_read_until(in_, buffer_, '\n', [this](const asio::error_code& error, size_t) {
      if (error) return io_.stop();
      std::string line;
      std::getline(std::istream(&buffer_), line);
      Obey(line);
    });
  }

 private:
  void Answer(const std::string& command, Json json) {
    json["command"] = command;
    std::printf("%s\n", json.dump().c_str());
    std::fflush(stdout);
    Read();
  }

  void Obey(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    size_t a = 0, b = 0, c = 0, d = 0;
    words >> command >> a >> b >> c >> d;
    if (command == "attach") {
      fleet_.Attach(a, [=, this](AttachResult r) { Answer(command, ToJson(std::move(r))); });
    } else if (command == "return") {
      fleet_.AwaitReturn([=, this](AttachResult r) { Answer(command, ToJson(std::move(r))); });
    } else if (command == "resume") {
      fleet_.ResumeFirst();
      Answer(command, Json::object());
    } else if (command == "list") {
      fleet_.List(std::chrono::seconds(a), b, static_cast<uint32_t>(c), d, [=, this](ListResult r) {
        Answer(command,
               {{"pages", ToJson(std::move(r.pages))}, {"logins", ToJson(std::move(r.logins))}});
      });
    } else if (command == "pairs") {
      fleet_.Pair(a, b, [=, this](CallsResult r) { Answer(command, ToJson(std::move(r))); });
    } else if (command == "broadcasts") {
      fleet_.Broadcast(a, std::chrono::milliseconds(b), std::chrono::seconds(c),
                       [=, this](BroadcastResult r) {
                         Json json = ToJson(std::move(r.calls));
                         json["delivered"] = r.delivered;
                         json["doubled"] = r.doubled;
                         json["delay_p50_ms"] = r.delay.Percentile(0.5);
                         json["delay_p99_ms"] = r.delay.Percentile(0.99);
                         Answer(command, std::move(json));
                       });
    } else {
      Answer(command, {{"error", "unknown command"}});
    }
  }

  asio::io_context& io_;
  LoadFleet& fleet_;
  asio::posix::stream_descriptor in_;
  asio::streambuf buffer_;
};

void RaiseDescriptorLimit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  google::protobuf::SetLogHandler(nullptr);
  CLI::App app("Many clients of a control-server in one process", "load_driver");
  std::string server, ca, sessions;
  app.add_option("--server", server)->required();
  app.add_option("--ca", ca)->required();
  app.add_option("--sessions", sessions)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  RaiseDescriptorLimit();
  asio::io_context io;
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadWhole(ca);
  const auto key_digest = crypto::SpkiDigest(tls.pem_root_certs);
  if (!key_digest.ok()) throw std::runtime_error(std::string(key_digest.status().message()));
  LoadFleet fleet(
      io, {.address = server, .key_digest = *key_digest, .credentials = grpc::SslCredentials(tls)},
      ReadSessions(sessions));
  Console console(io, fleet);
  console.Read();
  const auto work = asio::make_work_guard(io);  // Most of it waits in gRPC.
  io.run();
  std::fflush(stdout);
  ::_exit(0);  // Thousands of calls are open; their ends are of no interest.
}

}  // namespace
}  // namespace p2p::bench

int main(int argc, char** argv) {
  try {
    return p2p::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_driver: %s\n", error.what());
    return 1;
  }
}
