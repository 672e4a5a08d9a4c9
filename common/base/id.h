// Different things have different types: Id<Tag, N> is N opaque bytes that compare, hash and print,
// and do not convert.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <optional>
#include <string>

#include "common/base/bytes.h"

namespace p2p {

template <class Tag, size_t N>
struct Id {
  static constexpr size_t kSize = N;
  std::array<uint8_t, N> bytes{};

  auto operator<=>(const Id&) const = default;
  ByteView view() const { return bytes; }
  std::string Hex() const { return HexEncode(bytes); }
  bool is_zero() const {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
  }
  // nullopt unless exactly N bytes.
  static std::optional<Id> FromBytes(ByteView in) {
    if (in.size() != N) return std::nullopt;
    Id id;
    std::copy(in.begin(), in.end(), id.bytes.begin());
    return id;
  }
  // nullopt unless exactly 2N lower- or upper-case hex digits.
  static std::optional<Id> FromHex(absl::string_view hex) {
    const auto raw = HexDecode(hex);
    if (!raw) return std::nullopt;
    return FromBytes(*raw);
  }
  template <typename H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.bytes);
  }
};

using UserId = Id<struct UserTag, 16>;  // An account, for ever.
using BroadcastId = Id<struct BroadcastTag, 16>;
using RequestId = Id<struct RequestTag, 16>;  // A peer request; also the introduction's id.
using ConnId = Id<struct ConnTag, 8>;         // A relay session, i.e. one attachment.
using MessageId = Id<struct MessageTag, 16>;  // A chat message.
using FileId = Id<struct FileTag, 16>;        // A file on its way.
using TokenHash = Id<struct TokenTag, 32>;    // SHA-256 of an access token.

}  // namespace p2p
