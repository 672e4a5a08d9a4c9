// A one-shot beside a running client: its commands go through that client's socket.
#pragma once

#include <string>

#include "common/base/clock.h"
#include "common/net/fd.h"
#include "peer-client/oneshot/report.h"
#include "peer-client/oneshot/task.h"

namespace p2p::client::oneshot {

// Runs the task over a connected socket; blocks until it ends. `server`: "host:port" that the
// running client must use; empty: any.
ExitCode RunBeside(net::UniqueFd socket, TaskSpec spec, Report& report, const std::string& server,
                   const Clock& clock);

}  // namespace p2p::client::oneshot
