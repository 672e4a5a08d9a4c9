// Several sockets on one UDP port, and which of them a datagram goes to.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "common/base/id.h"
#include "common/net/address.h"
#include "common/net/fd.h"

namespace p2p::relay {

// Which of `count` sockets the datagrams of a session go to.
size_t SocketOf(ConnId session, size_t count);

// `count` bound sockets, as OpenRelaySocket makes them. More than one: in the order of SocketOf.
// Fails like a single one when anybody else has the port.
absl::StatusOr<std::vector<net::UniqueFd>> OpenRelaySockets(const net::SocketAddress& listen,
                                                            size_t count);

}  // namespace p2p::relay
