// Asks a server by grpc.health.v1 whether it serves: for health checks of containers and scripts.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace p2p::server {

// `target` is HOST:PORT. Waits at most 5 s. The server's certificate is not verified: nothing
// secret is said, and a prober that knows the address is on the same host or network. Unavailable:
// nobody answers; FailedPrecondition: somebody does, and does not serve.
absl::Status ProbeHealth(const std::string& target);

}  // namespace p2p::server
