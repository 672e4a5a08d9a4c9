// The client assembled: one loop, one model, one face, one server.
#pragma once

#include "common/base/clock.h"
#include "common/base/random.h"
#include "peer-client/app/data_ports.h"
#include "peer-client/client_options.h"
#include "peer-client/oneshot/report.h"
#include "peer-client/oneshot/task.h"
#include "peer-client/state/data_directory.h"

namespace p2p::client {

// Runs until the user, a signal or an error ends it. `host` and `port` are set in the options.
// Collaborators outlive the call.
ExitCode RunClient(const ClientOptions& options, DataDirectory& directory, const Clock& clock,
                   Random& random);

// The same for one sub-command, alone on the data directory.
ExitCode RunOneShotClient(const ClientOptions& options, DataDirectory& directory,
                          const Clock& clock, Random& random, oneshot::TaskSpec spec,
                          oneshot::Report& report);

}  // namespace p2p::client
