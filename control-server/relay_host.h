// How the server holds its relay, wherever that runs: in this process (in_process_relay.h) or in
// another one (linked_relay.h).
#pragma once

#include <string>

#include "common/relay/relay_port.h"
#include "control-server/service/attach_desk.h"
#include "control-server/service/hub_relay_events.h"
#include "grpcpp/impl/service_type.h"

namespace p2p::server {

// Destroy it after the hub thread has stopped.
class RelayHost {
 public:
  explicit RelayHost(asio::io_context& hub) : events_(hub) {}
  virtual ~RelayHost() = default;
  RelayHost(const RelayHost&) = delete;
  RelayHost& operator=(const RelayHost&) = delete;

  virtual relay::RelayPort* port() = 0;  // Null: none, broadcasts travel by channel alone.
  // Where clients find it now. Any thread.
  virtual RelayEndpoint endpoint() const = 0;
  virtual std::string Describe() const = 0;  // "127.0.0.1:4400", or "none".
  // What the gRPC server has to offer for it; null: nothing.
  virtual grpc::Service* service() { return nullptr; }
  // Every few seconds, from one thread.
  virtual void Housekeep() {}
  // Before the gRPC server is shut down.
  virtual void Stop() {}

  // The relay's reports on their way to the hub thread. Listeners are added before traffic arrives,
  // that is before the server serves.
  HubRelayEvents& events() { return events_; }

 private:
  HubRelayEvents events_;
};

}  // namespace p2p::server
