// What the kernel knows about a TCP connection that somebody else owns.
#pragma once

#include <cstdint>
#include <optional>

#include "control-server/admission/connection_table.h"

namespace p2p::server {

// Bytes that have arrived on the socket, read by its owner or not. nullopt: the number belongs to
// something else by now, or is no TCP socket.
std::optional<uint64_t> BytesReceived(SocketName name);

// How long ago the last bytes arrived, or the connection began. nullopt as above.
std::optional<Duration> SilentFor(SocketName name);

}  // namespace p2p::server
