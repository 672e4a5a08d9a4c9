// Ed25519 (RFC 8032) keys: the server's introducer and broadcast keys, a client's device key.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/base/secret.h"

namespace p2p::crypto {

using PublicKey = std::array<uint8_t, 32>;
using Signature = std::array<uint8_t, 64>;

// A private key. Movable; thread-safe after construction.
class SigningKey {
 public:
  static SigningKey Generate();
  // From the 32-byte seed of RFC 8032. Deterministic: tests and files.
  static SigningKey FromSeed(const Secret<32>& seed);

  Signature Sign(ByteView message) const;
  const PublicKey& public_key() const { return public_key_; }
  const Secret<32>& seed() const { return seed_; }

 private:
  SigningKey(Secret<32> seed, const PublicKey& public_key);
  Secret<32> seed_;
  PublicKey public_key_;
};

// True when `signature` is `key`'s over `message`. Both views may come from strangers; wrong sizes
// are false.
bool VerifySignature(ByteView key, ByteView message, ByteView signature);

}  // namespace p2p::crypto
