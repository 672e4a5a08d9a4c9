// Between the relay's values and the messages of proto/p2p/v1/relay_link.proto.
#pragma once

#include <vector>

#include "common/relay/relay_port.h"
#include "p2p/v1/relay_link.pb.h"
#include "udp-relay/link/report_queue.h"

namespace p2p::relay {

// Of one message: well below the 64 KiB that the server reads at once.
inline constexpr size_t kReportsPerMessage = 1000;

v1::RelayReports ToMessage(const std::vector<Report>& reports);

// Carries out one order on `port`. False: malformed, or of a later version; nothing was done.
// RelayRegistered is for the caller.
bool CarryOut(const v1::RelayOrder& order, MonoTime now, RelayPort& port);

}  // namespace p2p::relay
