// A sub-command of peer-client, from its command line to its exit code.
#pragma once

#include "absl/status/status.h"
#include "peer-client/app/data_ports.h"
#include "peer-client/client_options.h"
#include "peer-client/state/data_directory.h"

namespace p2p::client {

// `argv[1]` is the sub-command's name.
ExitCode RunOneShot(int argc, char** argv);

// Without HOST: the server used last.
absl::Status FillServer(ClientOptions& options, const DataDirectory& directory);

}  // namespace p2p::client
