// The running server as the operator's calls see it.
#pragma once

#include "control-server/admin/live_server.h"
#include "control-server/admission/connection_registry.h"
#include "control-server/service/broadcast_desk.h"
#include "control-server/service/hub.h"
#include "control-server/service/session_table.h"

namespace p2p::server {

// The hub's thread runs for as long as anything here is called.
class RunningServer final : public LiveServer {
 public:
  RunningServer(SessionTable& sessions, Hub& hub, BroadcastDesk& broadcasts,
                ConnectionRegistry& connections, uint32_t max_connections)
      : sessions_(sessions),
        hub_(hub),
        broadcasts_(broadcasts),
        connections_(connections),
        max_connections_(max_connections) {}

  void EndSessions(UserId user, const std::string& why) override;
  void LiftPenalty(UserId user) override { hub_.LiftPenalty(user); }
  std::vector<Attached> ListAttached() override;
  void FlushDeliveries() override;
  void WithdrawBroadcast(BroadcastId id) override;
  std::optional<LiveLimits> Limits() override;

 private:
  SessionTable& sessions_;
  Hub& hub_;
  BroadcastDesk& broadcasts_;
  ConnectionRegistry& connections_;
  const uint32_t max_connections_;
};

}  // namespace p2p::server
