// Learns which key a server proves, with one TLS handshake that carries nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/crypto/hash.h"

namespace p2p::net {

// Connects, finishes the handshake (so the server has proved that it holds the key) and closes.
// Returns the SHA-256 of the key's SubjectPublicKeyInfo. No certificate check of any kind: the
// answer is for a person, or a file of known keys, to judge. Unavailable: nobody there, or not TLS;
// DeadlineExceeded after `timeout`; Cancelled within 100 ms after `cancelled` became true. Blocks:
// call it on a helper thread (name resolution has the system's own time limit on top).
absl::StatusOr<crypto::Digest256> ProbeTlsKey(const std::string& host, uint16_t port,
                                              Duration timeout, const std::atomic<bool>& cancelled);

}  // namespace p2p::net
