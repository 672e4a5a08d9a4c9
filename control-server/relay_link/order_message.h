// Between the seam's values and the messages of proto/p2p/v1/relay_link.proto.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "common/net/address.h"
#include "control-server/relay_link/link_outbox.h"

namespace p2p::server {

// False: there is nothing to say (a broadcast that has expired while it waited). One for many
// sessions is many messages: not here.
bool FillOrder(const LinkOrder& order, MonoTime now, v1::RelayOrder& out);

// Where clients are told to send datagrams.
struct RelayAddress {
  std::string ip_address;  // Empty: the address at which the client reaches the control-server.
  uint16_t port = 0;       // 0: nowhere at present.
};

// What a relay says of itself. `peer` is where the link comes from, `local` the server's own
// address of that connection. InvalidArgument names the field.
absl::StatusOr<RelayAddress> AddressOf(const v1::RelayRegister& registration,
                                       const net::IpAddress& peer,
                                       const std::optional<net::IpAddress>& local);

}  // namespace p2p::server
