// What an operator sees of sessions and penalties, on a running or a stopped server alike. Blocks;
// thread-safe. Errors as in user_admin.h.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/config/timing.h"
#include "control-server/admin/live_server.h"
#include "control-server/admin/store_access.h"

namespace p2p::server {

struct StartedSession {
  UserId account;
  WallTime at;  // The log-in.
};
// Sessions of devices, which outlive their access tokens, and of scripts, which are their token.
absl::StatusOr<absl::flat_hash_map<TokenHash, StartedSession>> LiveSessions(Store& store,
                                                                            WallTime now);

struct SessionEntry {
  std::string username;
  WallTime logged_in_at;
  bool attached = false;
  std::string ip_address;  // Of the attached client; else empty.
};

struct PenaltyEntry {
  std::string username;
  std::string reason;
  WallTime start;
  WallTime end;  // The start, when there was no cool-down.
  std::string next_step;
  size_t count = 0;
};

class SessionAdmin {
 public:
  // All outlive it.
  SessionAdmin(StoreAccess& store, LiveServer& live, const Clock& clock,
               const config::Timing& timing)
      : store_(store), live_(live), clock_(clock), timing_(timing) {}

  // By username, then by time.
  absl::StatusOr<std::vector<SessionEntry>> ListSessions();
  // Those that still count; by username.
  absl::StatusOr<std::vector<PenaltyEntry>> ListPenalties();
  // Forgets all penalties of the account: it may log in at once. NotFound when there are none.
  absl::Status LiftPenalty(const std::string& username);

 private:
  StoreAccess& store_;
  LiveServer& live_;
  const Clock& clock_;
  const config::Timing& timing_;
};

}  // namespace p2p::server
