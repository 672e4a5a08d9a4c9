// Addresses as one caller sees them: an address is only useful to somebody who can reach it. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/base/id.h"
#include "common/net/address.h"

namespace p2p::server {

// From where a caller looks at the others.
struct Viewpoint {
  net::IpAddress own;     // The caller's address as the server sees it.
  net::IpAddress server;  // The address at which the caller reaches the server.
};

// The address by which `viewer` can reach a client that the server sees at `seen`. A client on the
// server's own host is seen on loopback, which means somebody else to everybody elsewhere: it is
// shown at the address at which the viewer reaches the server. A viewer on that host too sees the
// loopback address itself when it is of the family the viewer uses.
inline net::IpAddress AddressFor(const Viewpoint& viewer, const net::IpAddress& seen) {
  if (!seen.IsLoopback()) return seen;
  if (viewer.own.IsLoopback() && viewer.own.is_v4() == seen.is_v4()) return seen;
  return viewer.server;
}

// One active client, as ListActive needs it.
struct ActiveUser {
  UserId user;
  std::string username;
  net::IpAddress seen;  // As the server sees it; not yet computed for a viewer.
};

// Who is active at one moment. Immutable once shared.
struct PresenceSnapshot {
  std::vector<ActiveUser> users;  // Sorted by FoldUsername(username), which is unique.
};

}  // namespace p2p::server
