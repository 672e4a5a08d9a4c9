// Files that hold state: private modes, atomic replacement, durable once OK is returned. Rim code:
// blocks on the disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/secret.h"
#include "common/net/fd.h"

namespace p2p::net {

// Creates `path` and missing parents with mode 0700.
absl::Status MakePrivateDirectory(const std::string& path);

// Whole file, at most `max_size` bytes (else ResourceExhausted). NotFound when absent.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_size = 16 << 20);

// The same for a file with a secret in it. PermissionDenied, with what to do, when group or others
// may do anything with it (in $CREDENTIALS_DIRECTORY the group may read), or when it is no regular
// file.
absl::StatusOr<SecretText> ReadSecretFile(const std::string& path, size_t max_size);

// Writes a temporary file of mode 0600 beside `path`, fsyncs it, renames it over `path` and fsyncs
// the directory.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

absl::Status SyncDirectory(const std::string& path);

// Opens (creating, 0600) and locks `path` exclusively with flock; held until the fd is closed.
// AlreadyExists, with the holder's pid when it is known, if another process has it.
absl::StatusOr<UniqueFd> LockFile(const std::string& path);

}  // namespace p2p::net
