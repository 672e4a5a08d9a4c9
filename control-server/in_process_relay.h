// The relay that runs inside the control-server, behind RelayPort: the only files of this program
// that name the relay's own headers (docs/adr/0001-relay-in-process.md).
#pragma once

#include <memory>
#include <optional>

#include "common/crypto/os_random.h"
#include "control-server/service/attach_desk.h"
#include "control-server/service/hub_relay_events.h"
#include "udp-relay/io/relay_worker.h"

namespace p2p::server {

// Owns the worker and the way of its reports to the hub thread. Listeners are added before traffic
// arrives, that is before the first session exists. Destroy it after the hub thread has stopped.
class InProcessRelay {
 public:
  // Binds `listen`; nullopt: there is no relay, broadcasts travel by channel alone. AlreadyExists:
  // the port is taken. `clock` and `hub` outlive it.
  static absl::StatusOr<std::unique_ptr<InProcessRelay>> Start(
      const std::optional<net::SocketAddress>& listen, const config::Timing& timing,
      const Clock& clock, asio::io_context& hub);

  relay::RelayPort* port() { return worker_.get(); }  // Null: none.
  HubRelayEvents& events() { return events_; }
  RelayEndpoint endpoint() const;
  std::string Describe() const;  // "127.0.0.1:4400", or "none".

 private:
  explicit InProcessRelay(asio::io_context& hub) : events_(hub) {}

  crypto::OsRandom random_;
  HubRelayEvents events_;
  std::unique_ptr<relay::RelayWorker> worker_;
};

}  // namespace p2p::server
