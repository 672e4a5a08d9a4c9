// The Unix socket of a running client: its place, and who is at the other end.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/net/fd.h"

namespace p2p::client::oneshot {

// A bound and listening socket "client.socket" (0600) in `data_dir`; replaces a dead one. Only for
// the holder of the directory's lock.
absl::StatusOr<net::UniqueFd> ListenLocal(const std::string& data_dir);

// Connects to it. Unavailable: no client listens.
absl::StatusOr<net::UniqueFd> ConnectLocal(const std::string& data_dir);

// True when the process at the other end runs under our own user id.
bool IsOwnPeer(int fd);

}  // namespace p2p::client::oneshot
