// The versions of the database's schema. The version of a file is its PRAGMA user_version.
#pragma once

#include <cstddef>

#include "absl/types/span.h"

namespace p2p::server {

// migrations()[i] turns version i into version i + 1; version 0 is an empty file.
absl::Span<const char* const> Migrations();

}  // namespace p2p::server
