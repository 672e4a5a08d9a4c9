// SHA-256 and SHA-512 (FIPS 180-4), HMAC (RFC 2104), HKDF (RFC 5869), constant-time comparison.
// Stateless, thread-safe.
#pragma once

#include <array>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/secret.h"

namespace p2p::crypto {

using Digest256 = std::array<uint8_t, 32>;
using Digest512 = std::array<uint8_t, 64>;
using Mac128 = std::array<uint8_t, 16>;

Digest256 Sha256(ByteView data);
Digest256 Sha256(ByteView first, ByteView second);  // Of one after the other.
Digest512 Sha512(ByteView data);

// SHA-256 of what comes in pieces. One thread.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void Update(ByteView data);
  Digest256 Digest() const;  // Of everything so far; more may follow.

 private:
  friend Digest256 Sha256(ByteView, ByteView);
  struct State;
  std::unique_ptr<State> state_;
};

Digest256 HmacSha256(ByteView key, ByteView data);
// HMAC-SHA256 cut to its first 16 bytes.
Mac128 HmacSha256Trunc128(ByteView key, ByteView data);

// HKDF-SHA256, extract and expand. Fills all of `out` (at most 255 * 32 bytes).
void HkdfSha256(ByteView ikm, ByteView salt, ByteView info, std::span<uint8_t> out);

template <size_t N>
Secret<N> HkdfSha256(ByteView ikm, ByteView salt, ByteView info) {
  Secret<N> out;
  HkdfSha256(ikm, salt, info, out.mutable_view());
  return out;
}

// Compares in time that depends on the length only.
bool ConstantTimeEqual(ByteView a, ByteView b);

}  // namespace p2p::crypto
