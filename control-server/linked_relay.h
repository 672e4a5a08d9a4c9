// The relay that is a process of its own and links itself to the server by RelayLink.
#pragma once

#include <memory>

#include "control-server/relay_host.h"
#include "control-server/relay_link/relay_link_service.h"

namespace p2p::server {

// Its link calls end before it does: destroy it after the gRPC server.
class LinkedRelay final : public RelayHost {
 public:
  // All but `token` outlive it.
  LinkedRelay(asio::io_context& hub, ConnectionControl& connections, const SecretText& token,
              const Clock& clock, const config::Timing& timing)
      : RelayHost(hub),
        relay_(events(), connections, clock, timing),
        service_(relay_, connections, token, clock) {}

  relay::RelayPort* port() override { return &relay_; }
  RelayEndpoint endpoint() const override {
    const RelayAddress address = relay_.address();
    return {.ip_address = address.ip_address, .port = address.port};
  }
  std::string Describe() const override { return "none"; }  // Not in this process.
  grpc::Service* service() override { return &service_; }
  void Housekeep() override { relay_.Housekeep(); }
  void Stop() override { relay_.Stop(); }

  RemoteRelay& relay() { return relay_; }

 private:
  RemoteRelay relay_;
  RelayLinkService service_;
};

}  // namespace p2p::server
