// The secret that a udp-relay process and its control-server share: 32 random bytes as base64 text,
// in a file that only the owner may read.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/random.h"
#include "common/base/secret.h"

namespace p2p::relay {

inline constexpr size_t kTokenBytes = 32;
inline constexpr size_t kMaxTokenText = 512;

SecretText MakeRelayToken(Random& random);

// The token in a file's content: blanks around it do not count. InvalidArgument unless it is one
// word of base64 (either alphabet) that stands for 32 bytes or more; never quotes the content.
absl::StatusOr<SecretText> ParseRelayToken(absl::string_view content);

}  // namespace p2p::relay
