// Brings the sessions of before a restart back to life: a restarted server needs no new log-in.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "control-server/service/session_table.h"
#include "control-server/store/store.h"

namespace p2p::server {

// For the SessionTable, before the store queue takes the store over. Tokens of accounts that are
// disabled or gone stay dead.
absl::StatusOr<std::vector<CallerPtr>> LoadSessions(Store& store, WallTime now);

}  // namespace p2p::server
