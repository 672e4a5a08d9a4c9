// Where a command gets a password from: a file, standard input, or a person who does not see it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/secret.h"

namespace p2p::server {

// From `file` ("-": standard input), its first line; or, when `file` is empty, asked twice on the
// terminal without echo. InvalidArgument when both answers differ, FailedPrecondition without a
// terminal.
absl::StatusOr<SecretText> ReadNewPassword(const std::string& file);

// The whole of `file`; "-" is standard input. ResourceExhausted beyond `max_size` bytes.
absl::StatusOr<std::string> ReadInput(const std::string& file, size_t max_size);

}  // namespace p2p::server
