#include "control-server/in_process_relay.h"

#include "absl/memory/memory.h"
#include "common/base/check.h"

namespace p2p::server {

absl::StatusOr<std::unique_ptr<InProcessRelay>> InProcessRelay::Start(
    const std::optional<net::SocketAddress>& listen, const relay::RelaySetup& setup,
    const config::Timing& timing, const Clock& clock, asio::io_context& hub) {
  auto relay = absl::WrapUnique(new InProcessRelay(hub));
  if (listen) {
    P2P_ASSIGN_OR_RETURN(relay->workers_, relay::RelayWorkers::Start(
                                              *listen, setup, relay::OptionsFromTiming(timing),
                                              clock, relay->random_, relay->events()));
  }
  return relay;
}

RelayEndpoint InProcessRelay::endpoint() const {
  return {.ip_address = "", .port = workers_ == nullptr ? uint16_t{0} : workers_->address().port};
}

std::string InProcessRelay::Describe() const {
  return workers_ == nullptr ? "none" : workers_->address().ToString();
}

}  // namespace p2p::server
