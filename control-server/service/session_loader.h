// Brings the sessions of before a restart back to life: a restarted server needs no new log-in.
#pragma once

#include "control-server/service/session_table.h"
#include "control-server/store/store.h"

namespace p2p::server {

// Before the store queue takes the store over. Tokens of accounts that are disabled or gone stay
// dead.
absl::Status LoadSessions(Store& store, WallTime now, SessionTable& sessions);

}  // namespace p2p::server
