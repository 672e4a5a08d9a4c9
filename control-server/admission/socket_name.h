// Looking at, and shutting down, a socket that somebody else owns and may close at any moment.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "control-server/admission/connection_table.h"

namespace p2p::server {

// SO_COOKIE of the socket behind the number; nullopt when it is closed or no socket.
std::optional<uint64_t> CookieOf(int fd);

// The socket is still open under its number.
bool IsAlive(SocketName name);

// Those whose numbers are closed. One call of the kernel for a thousand, and a twentieth of what
// asking for each cookie costs; but a number that somebody else has by now counts as open.
std::vector<SocketName> WithClosedNumbers(const std::vector<SocketName>& names);

// Shuts down both directions; the owner then sees end of file and closes. False when the socket is
// gone: the number may belong to somebody else by now and is not touched. A plain shutdown(number)
// would cut that somebody; so the number is duplicated, and the duplicate, which cannot be
// recycled, is compared before it is used. It is compared before the duplication too, since closing
// a duplicate of a file would drop the process's POSIX locks on it.
bool ShutdownByName(SocketName name);

// The same, but what waits in either direction is thrown away, and the peer gets a reset when the
// owner closes: for those who send too much.
bool ResetByName(SocketName name);

}  // namespace p2p::server
