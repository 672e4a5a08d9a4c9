// What a running server has beside its store, as the operator's calls need it. This class is the
// stopped server: nobody is there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-server/domain/records.h"

namespace p2p::server {

struct LiveLimits {
  uint32_t max_connections = 0;
  uint32_t connections = 0;
  uint32_t descriptor_limit = 0;
};

class LiveServer {
 public:
  struct Attached {
    TokenHash session;
    net::IpAddress ip;
  };

  virtual ~LiveServer() = default;

  // Any thread, never blocks. The account's tokens are gone from the store: no call takes them from
  // now on, and attached clients hear `why` at once.
  virtual void EndSessions(UserId, const std::string& /*why*/) {}
  // Any thread, never blocks. The user may log in again at once.
  virtual void LiftPenalty(UserId) {}

  // These block for a moment; not from a thread of the server.
  virtual std::vector<Attached> ListAttached() { return {}; }
  // What is known about deliveries is in the store afterwards.
  virtual void FlushDeliveries() {}
  // The store has it as taken back: it is out of the relay and of every queue afterwards.
  virtual void WithdrawBroadcast(BroadcastId) {}
  // nullopt: nothing runs.
  virtual std::optional<LiveLimits> Limits() { return std::nullopt; }
};

}  // namespace p2p::server
