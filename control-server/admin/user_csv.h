// Accounts to and from CSV. Import takes `username,password` or `username,phc_hash`, export writes
// the latter.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/base/random.h"
#include "control-server/admin/store_access.h"

namespace p2p::server {

struct ImportCounts {
  size_t created = 0;
  size_t unchanged = 0;  // There before, with this very password or hash.
};

// All or nothing. InvalidArgument lists what is wrong, a line for each, without a password in it:
// bad or reserved names, names twice in the file, bad passwords or hashes, and names that exist
// with another password. Importing the same file again changes nothing. Names that look like others
// are taken. Hashes each password: about 16 ms; asks `cancelled` before each and gives up with
// Cancelled. Blocks.
absl::StatusOr<ImportCounts> ImportUsers(
    StoreAccess& store, absl::string_view csv, Random& random, WallTime now,
    absl::FunctionRef<bool()> cancelled = [] { return false; });

// Every cell quoted, CRLF, sorted by name; what ImportUsers takes.
absl::StatusOr<std::string> ExportUsers(StoreAccess& access);

}  // namespace p2p::server
