// Accounts to and from CSV. Import takes `username,password` or `username,phc_hash`, export writes
// the latter. The caller holds the lock of the data directory.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/random.h"
#include "control-server/store/store.h"

namespace p2p::server {

struct ImportCounts {
  size_t created = 0;
  size_t unchanged = 0;  // There before, with this very password or hash.
};

// All or nothing. InvalidArgument lists what is wrong, a line for each, without a password in it:
// bad or reserved names, names twice in the file, bad passwords or hashes, and names that exist
// with another password. Importing the same file again changes nothing. Hashes each password: about
// 16 ms.
absl::StatusOr<ImportCounts> ImportUsers(Store& store, absl::string_view csv, Random& random,
                                         WallTime now);

// Every cell quoted, CRLF, sorted by name; what ImportUsers takes.
absl::StatusOr<std::string> ExportUsers(Store& store);

}  // namespace p2p::server
