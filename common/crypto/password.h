// Password hashing: Argon2id (RFC 9106), m = 19456 KiB, t = 2, p = 1 (OWASP), as PHC strings. One
// call costs about 16 ms and 19 MiB: only in a bounded pool.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/random.h"

namespace p2p::crypto {

// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash".
std::string HashPassword(absl::string_view password, Random& random);

// Checks parameters of a PHC string from a file before it costs anything: argon2id only, m <= 256
// MiB, t <= 10, p <= 4, sane lengths. InvalidArgument says what is wrong.
absl::Status CheckPhc(absl::string_view phc);

// False for a wrong password and for a string that CheckPhc refuses.
bool VerifyPassword(absl::string_view password, const std::string& phc);

// Costs what a failed VerifyPassword costs: for unknown users.
void BurnPasswordHash(absl::string_view password);

}  // namespace p2p::crypto
