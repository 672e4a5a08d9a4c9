// Byte strings: views, hex, base64, big-endian readers and writers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace p2p {

using ByteView = std::span<const uint8_t>;
using Bytes = std::vector<uint8_t>;

inline ByteView AsBytes(absl::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline absl::string_view AsText(ByteView b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline std::string ToString(ByteView b) { return std::string(AsText(b)); }
inline bool AllZero(ByteView b) {
  return std::ranges::all_of(b, [](uint8_t byte) { return byte == 0; });
}
inline Bytes ToBytes(ByteView b) { return Bytes(b.begin(), b.end()); }

std::string HexEncode(ByteView bytes);                  // Lower case.
std::optional<Bytes> HexDecode(absl::string_view hex);  // Either case; nullopt on anything else.
std::string Base64Encode(ByteView bytes);               // Standard alphabet, padded.
std::string Base64EncodeUnpadded(ByteView bytes);       // Standard alphabet, no '='.
std::string Base64UrlEncode(ByteView bytes);            // URL alphabet, no '='.
std::optional<Bytes> Base64UrlDecode(
    absl::string_view text);  // Inverse of the former; nullopt for every other text.

// Reads big-endian fields. A read past the end yields zeros and makes the failure sticky; check
// ok() or done() once.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  uint8_t U8() { return static_cast<uint8_t>(Uint(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Uint(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Uint(4)); }
  uint64_t U64() { return Uint(8); }
  // The next n bytes, or an empty view and failure.
  ByteView Take(size_t n) {
    if (!ok_ || n > in_.size()) {
      ok_ = false;
      return {};
    }
    const ByteView out = in_.first(n);
    in_ = in_.subspan(n);
    return out;
  }
  template <size_t N>
  std::array<uint8_t, N> Array() {
    std::array<uint8_t, N> out{};
    const ByteView bytes = Take(N);
    for (size_t i = 0; i < bytes.size(); ++i) out[i] = bytes[i];
    return out;
  }
  ByteView Rest() { return Take(in_.size()); }
  size_t remaining() const { return in_.size(); }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && in_.empty(); }  // Everything read, nothing left over.

 private:
  uint64_t Uint(size_t n) {
    uint64_t v = 0;
    for (const uint8_t b : Take(n)) v = v << 8 | b;
    return v;
  }
  ByteView in_;
  bool ok_ = true;
};

// Appends big-endian fields to a buffer it owns.
class ByteWriter {
 public:
  ByteWriter() { out_.reserve(64); }  // Most records fit; growing from nothing takes six steps.
  ByteWriter& U8(uint8_t v) { return Uint(v, 1); }
  ByteWriter& U16(uint16_t v) { return Uint(v, 2); }
  ByteWriter& U32(uint32_t v) { return Uint(v, 4); }
  ByteWriter& U64(uint64_t v) { return Uint(v, 8); }
  ByteWriter& Append(ByteView b) {
    out_.insert(out_.end(), b.begin(), b.end());
    return *this;
  }
  ByteWriter& Append(absl::string_view s) { return Append(AsBytes(s)); }
  const Bytes& bytes() const { return out_; }
  Bytes Release() { return std::move(out_); }

 private:
  ByteWriter& Uint(uint64_t v, int n) {
    for (int shift = (n - 1) * 8; shift >= 0; shift -= 8)
      out_.push_back(static_cast<uint8_t>(v >> shift));
    return *this;
  }
  Bytes out_;
};

}  // namespace p2p
