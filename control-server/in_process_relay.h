// The relay that runs inside the control-server, behind RelayPort: the only files of this program
// that name the relay's own headers (docs/adr/0001-relay-in-process.md).
#pragma once

#include <memory>
#include <optional>

#include "common/crypto/os_random.h"
#include "control-server/relay_host.h"
#include "udp-relay/io/relay_workers.h"

namespace p2p::server {

// Owns the workers.
class InProcessRelay final : public RelayHost {
 public:
  // Binds `listen`; nullopt: there is no relay, broadcasts travel by channel alone. AlreadyExists:
  // the port is taken. `clock` and `hub` outlive it.
  static absl::StatusOr<std::unique_ptr<InProcessRelay>> Start(
      const std::optional<net::SocketAddress>& listen, const relay::RelaySetup& setup,
      const config::Timing& timing, const Clock& clock, asio::io_context& hub);

  relay::RelayPort* port() override { return workers_.get(); }
  RelayEndpoint endpoint() const override;
  std::string Describe() const override;

 private:
  using RelayHost::RelayHost;

  crypto::OsRandom random_;
  std::unique_ptr<relay::RelayWorkers> workers_;
};

}  // namespace p2p::server
