// What a device signs to renew a session (AccountService.Resume).
//
//   "p2p-resume-v1" | SHA-256 of the server's public key (SubjectPublicKeyInfo), 32 |
//   token id, 32 | client_nonce, 16
//
// The token id is the SHA-256 of the resume token's 32 bytes.
#pragma once

#include <array>

#include "common/base/bytes.h"

namespace p2p::wire {

inline constexpr size_t kSignatureSize = 64;
inline constexpr size_t kMaxTokenText = 64;  // A token takes 43.

Bytes ResumeStatement(const std::array<uint8_t, 32>& server_key_digest,
                      const std::array<uint8_t, 32>& token_id,
                      const std::array<uint8_t, 16>& client_nonce);

}  // namespace p2p::wire
