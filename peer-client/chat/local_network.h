// This machine's addresses, from the kernel.
#pragma once

#include <vector>

#include "peer-client/chat/address_rule.h"

namespace p2p::client {

// Of all interfaces that are up. Empty when the kernel does not say.
std::vector<LocalAddress> LocalAddresses();

}  // namespace p2p::client
