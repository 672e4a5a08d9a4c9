// Whom to count when parties are counted. Pure.
#pragma once

#include "common/net/address.h"

namespace p2p::net {

// A v4 address itself; of a v6 address its /64, since one party has all of that.
IpAddress SourceOf(const IpAddress& address);

}  // namespace p2p::net
