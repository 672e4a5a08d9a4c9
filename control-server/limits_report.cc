#include "control-server/limits_report.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/check.h"
#include "control-server/admission/capacity.h"
#include "control-server/limit_options.h"

namespace p2p::server {
namespace {

// Measured: resident memory of an attached client that is idle, TLS included, at most.
constexpr uint64_t kBytesPerClient = 110 * 1024;
// Measured: one Argon2id hash (19 MiB, 2 passes) takes about 16 ms of a core.
constexpr uint64_t kHashesPerSecond = 60;

// The first number in a file; nullopt when there is none ("max").
std::optional<uint64_t> NumberIn(const char* path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

uint64_t MemAvailable() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  uint64_t value = 0;
  while (file >> name >> value) {
    std::getline(file, unit);
    if (name == "MemAvailable:") return value * 1024;
  }
  return 0;
}

void AddMemory(MachineFacts& facts) {
  facts.memory_available = MemAvailable();
  const auto most = NumberIn("/sys/fs/cgroup/memory.max");
  const auto used = NumberIn("/sys/fs/cgroup/memory.current");
  if (!most || !used) return;
  const uint64_t rest = *most > *used ? *most - *used : 0;
  if (facts.memory_available != 0 && rest >= facts.memory_available) return;
  facts.memory_available = rest;
  facts.memory_from_cgroup = true;
}

// Which of the things that limit the connections does.
std::string BoundBy(const ServerOptions& options, const MachineFacts& machine, uint64_t cap) {
  if (machine.memory_available != 0 && machine.memory_available / kBytesPerClient < cap) {
    return "memory: so many clients would not fit into what is available";
  }
  if (options.max_connections) return "--max-connections";
  if (cap == kDefaultMaxConnections) return "the default of --max-connections";
  return "the limit of open files (LimitNOFILE= in a unit, `ulimit -n` in a shell, "
         "`ulimits: nofile` in a compose file)";
}

}  // namespace

absl::StatusOr<MachineFacts> ReadMachine() {
  MachineFacts facts;
  P2P_ASSIGN_OR_RETURN(facts.open_files, RaiseDescriptorLimit());
  AddMemory(facts);
  facts.accept_queue = NumberIn("/proc/sys/net/core/somaxconn").value_or(0);
  facts.receive_buffer = NumberIn("/proc/sys/net/core/rmem_max").value_or(0);
  facts.cores = std::max(1u, std::thread::hardware_concurrency());
  return facts;
}

absl::StatusOr<LimitsReport> MakeLimitsReport(const ServerOptions& options,
                                              const MachineFacts& machine) {
  LimitsReport report;
  P2P_ASSIGN_OR_RETURN(report.connections,
                       ConnectionCap(machine.open_files, options.max_connections));
  const uint64_t cap = report.connections;
  const uint64_t hashing = std::max<uint64_t>(machine.cores, 2) - 1;
  report.bound_by = BoundBy(options, machine, cap);
  report.lines = {
      {"open_files", machine.open_files, "", "RLIMIT_NOFILE, the hard limit"},
      {"kept_for_the_rest", ReservedDescriptors(machine.open_files), "",
       "3/8 of open_files, at least 96, at most 300: store, relay, gRPC, places that hear "
       "\"full\""},
      {"connections", cap, "",
       options.max_connections
           ? "--max-connections"
           : absl::StrCat("open_files less kept_for_the_rest, at most ", kDefaultMaxConnections)},
      {"full_places", kFullPlaces, "", "above connections: hear \"full\" and are closed"},
      {"not_logged_in", MaxUnauthenticated(report.connections), "",
       "a quarter of connections, at least 64: above it the oldest silent ones are dropped; also "
       "the most of one address"},
      {"memory_available", machine.memory_available / 1024, "KiB",
       machine.memory_from_cgroup ? "memory.max less memory.current of the cgroup"
                                  : "MemAvailable of /proc/meminfo"},
      {"memory_needed", cap * kBytesPerClient / 1024, "KiB",
       absl::StrCat("connections, all attached, ", kBytesPerClient / 1024, " KiB each (measured)")},
      {"accept_queue", std::min<uint64_t>(machine.accept_queue, 4096), "",
       "net.core.somaxconn, at most 4096"},
      {"relay_receive_buffer", machine.receive_buffer / 1024, "KiB",
       "net.core.rmem_max; the relay asks for 8192 KiB"},
      {"hash_threads", hashing, "", "cores less one, at least one"},
      {"log_ins", hashing * kHashesPerSecond, "a second",
       absl::StrCat("hash_threads, ", kHashesPerSecond, " hashes each (measured on one core)")},
  };
  for (const auto& [name, value] : ListLimits(options.rates)) {
    report.lines.push_back({name, static_cast<uint64_t>(value), "", "[limits]"});
  }
  return report;
}

std::string LimitsText(const LimitsReport& report) {
  std::string out =
      absl::StrCat(report.connections, " clients at once; bound by ", report.bound_by, "\n\n");
  for (const LimitLine& line : report.lines) {
    absl::StrAppendFormat(&out, "%-25s %12d %-9s %s\n", line.name, line.value, line.unit,
                          line.source);
  }
  return out;
}

std::string LimitsJson(const LimitsReport& report) {
  nlohmann::ordered_json out;
  out["connections"] = report.connections;
  out["bound_by"] = report.bound_by;
  for (const LimitLine& line : report.lines) {
    out["limits"].push_back(
        {{"name", line.name}, {"value", line.value}, {"unit", line.unit}, {"source", line.source}});
  }
  return out.dump() + "\n";
}

}  // namespace p2p::server
