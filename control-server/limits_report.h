// `control-server limits`: what this machine can hold, each number with where it comes from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-server/server_options.h"

namespace p2p::server {

// What was read from the machine; zero where it says nothing.
struct MachineFacts {
  uint64_t open_files = 0;        // RLIMIT_NOFILE, hard: the server raises the soft one to it.
  uint64_t memory_available = 0;  // Bytes: what is free or can be freed, or the cgroup's rest.
  bool memory_from_cgroup = false;
  uint64_t accept_queue = 0;    // net.core.somaxconn.
  uint64_t receive_buffer = 0;  // net.core.rmem_max, bytes.
  uint64_t cores = 1;
};

// Reads /proc, the cgroup and the limits of this process; raises the soft limit of open files as a
// server would.
absl::StatusOr<MachineFacts> ReadMachine();

struct LimitLine {
  std::string name;
  uint64_t value = 0;
  std::string unit;  // May be empty.
  std::string source;
};

struct LimitsReport {
  uint32_t connections = 0;
  std::string bound_by;  // What to change first for more connections.
  std::vector<LimitLine> lines;
};

// Pure. InvalidArgument when the server would refuse to start with these options.
absl::StatusOr<LimitsReport> MakeLimitsReport(const ServerOptions& options,
                                              const MachineFacts& machine);

std::string LimitsText(const LimitsReport& report);
std::string LimitsJson(const LimitsReport& report);  // One object, one line.

}  // namespace p2p::server
