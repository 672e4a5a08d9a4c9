// The inner object of a broadcast: signed once by the server's broadcast key, carried by datagrams
// and by the channel alike, checked once by the client before its dedupe (proto/RELAY_DATAGRAM.md).
#pragma once

#include <array>
#include <optional>
#include <string>

#include "common/base/id.h"
#include "common/base/time.h"
#include "common/wire/limits.h"

namespace p2p::wire {

inline constexpr absl::string_view kBroadcastMagic = "p2p-bcast-v1";
inline constexpr size_t kMinBroadcastObject =
    kBroadcastMagic.size() + BroadcastId::kSize + UserId::kSize + 1 + 8 + 8 + 1 + 32;
inline constexpr size_t kMaxBroadcastObject = kMinBroadcastObject + kMaxUsername;

//   "p2p-bcast-v1"  bcast_id 16  sender_uid 16  sender_name (u8 length, bytes)  sent_at u64
//   expires u64  flags u8  SHA-256(text) 32
// Big-endian. Times are milliseconds since 1970 UTC by the server's clock; expires - sent_at is at
// least 1 ms and at most 30 min. flags: bit 0 = the sender is withheld, then sender_uid is zero and
// the name empty; all other bits are zero.
struct BroadcastObject {
  BroadcastId id;
  UserId sender;            // Zero: withheld.
  std::string sender_name;  // As spelled at sign-up; empty: withheld. Untrusted text to people.
  WallTime sent_at;
  WallTime expires_at;
  std::array<uint8_t, 32> text_digest{};  // SHA-256 of the text, compared by whoever has both.

  bool omits_sender() const { return sender_name.empty(); }

  // nullopt for anything but one complete object within all limits.
  static std::optional<BroadcastObject> Parse(ByteView in);
  // The fields must be within the limits (P2P_CHECK).
  void SerializeTo(ByteWriter& out) const;
  Bytes Serialize() const;
  std::string ToString() const;
  bool operator==(const BroadcastObject&) const = default;
};

}  // namespace p2p::wire
