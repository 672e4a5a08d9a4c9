// What the account and directory services need of the hub (presence, channels, penalties).
// Implemented by the hub. Every method is thread-safe, never blocks, and may be called on a gRPC
// reaction thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/id.h"
#include "common/base/time.h"
#include "control-server/domain/viewpoint.h"

namespace p2p::server {

class PresenceView {
 public:
  virtual ~PresenceView() = default;
  // Who is active now, at most a few milliseconds old. Never null.
  virtual std::shared_ptr<const PresenceSnapshot> Snapshot() const = 0;
};

// An account may not log in until `end`.
struct Cooldown {
  std::string reason;
  WallTime start;
  WallTime end;
  std::string next_step;
};

// The last penalty of an account, and how many still count, this one included.
struct StandingPenalty {
  std::string reason;
  WallTime start;
  WallTime end;  // Equal to start when there was no cool-down.
  std::string next_step;
  size_t count = 0;
};

class PenaltyView {
 public:
  virtual ~PenaltyView() = default;
  // The cool-down the account is in at this moment, if any.
  virtual std::optional<Cooldown> CooldownOf(UserId user) const = 0;
  // nullopt: none counts any more.
  virtual std::optional<StandingPenalty> PenaltyOf(UserId user) const = 0;
};

// A session whose client is attached, and where it is.
struct AttachedSession {
  TokenHash session;
  net::IpAddress ip;
};

class SessionEnder {
 public:
  virtual ~SessionEnder() = default;
  // `token` names a session by its first token (SessionOf). It is dead already, with no token left
  // in the SessionTable, else nothing happens: finish the channel that was attached with it, if
  // any, with Detached{LOGGED_OUT}, and end presence at once, without grace.
  virtual void EndSession(TokenHash token) = 0;
  // The same with Detached{SESSION_ENDED}: the user did not ask for it.
  virtual void RevokeSession(TokenHash session) { EndSession(session); }
};

}  // namespace p2p::server
