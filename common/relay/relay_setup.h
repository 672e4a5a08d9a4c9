// What an operator chooses of a relay, wherever it runs.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace p2p::relay {

struct RelaySetup {
  static constexpr uint32_t kMaxWorkers = 64;
  static constexpr uint64_t kMaxEgressMbit = 1'000'000;

  uint32_t workers = 1;
  uint64_t egress_mbit = 1000;  // To all clients together; what is sent again counts.

  // InvalidArgument says what may be.
  absl::Status Check() const;
};

}  // namespace p2p::relay
