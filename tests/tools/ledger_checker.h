// Decides whether broadcasts were delivered exactly once: joins what clients showed with what the
// server accepted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace p2p::testing {

// All times are milliseconds of one clock.
struct LedgerBroadcast {
  std::string id;
  int64_t sent_at_ms = 0;
  int64_t expires_at_ms = 0;
};
struct LedgerClient {
  struct Stretch {
    int64_t from_ms = 0;  // Attached …
    int64_t to_ms = 0;    // … until then.
  };
  struct Shown {
    std::string id;
    int64_t at_ms = 0;
  };
  std::string name;
  std::vector<Stretch> active;
  std::vector<Shown> shown;
};
struct Ledger {
  int64_t due_min_ms = 30'000;
  std::vector<LedgerBroadcast> broadcasts;
  std::vector<LedgerClient> clients;
};

// One readable line for each violation; empty when all is right. For every client and broadcast:
// exactly 1 when one stretch overlaps [sent, expires) by at least due_min, at most 1 when a stretch
// overlaps it at all, else 0. A shown id that was never accepted is a violation.
std::vector<std::string> CheckLedger(const Ledger& ledger);

// Reads {"due_min_ms":…,"broadcasts":[{"id","sent_at_ms","expires_at_ms"}],
//        "clients":[{"name","active":[[from_ms,to_ms],…],"shown":[{"id","at_ms"}]}]}.
absl::StatusOr<Ledger> ParseLedger(absl::string_view json);

}  // namespace p2p::testing
