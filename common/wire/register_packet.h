// REGISTER: a client asks for a relay session, first without and then with a cookie.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/base/id.h"
#include "common/wire/datagram.h"

namespace p2p::wire {

using SessionRandom = std::array<uint8_t, kRandomSize>;
using Mac = std::array<uint8_t, kMacSize>;

// What a REGISTER with a cookie carries sealed, padded with zeros to its fixed size.
//   0..7 reg_seq | 8 count | 9.. ids of 16 bytes | zeros
struct RegisterBody {
  static constexpr size_t kSize = kRegisterSize - 28 - kMacSize - kMacSize - kSealTagSize;
  uint64_t reg_seq = 0;           // Rises with each new client_random of one conn_id; from 1.
  std::vector<BroadcastId> have;  // Journalled already; at most kMaxRegisterHave.

  static std::optional<RegisterBody> Parse(ByteView plain);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const RegisterBody&) const = default;
};

//   0 kind | 1 stage | 2..3 zero | 4..11 conn_id | 12..27 client_random | 28..43 cookie
//   | 44..223 sealed body | 224..239 its tag | 240..255 mac over 0..239
// Stage 0: cookie and sealed part are zero. Stage 1: both are there. The associated data of the
// seal is bytes 0..27, so a new cookie does not change what is sealed under K_reg.
struct RegisterPacket {
  static constexpr size_t kSealedSize = RegisterBody::kSize + kSealTagSize;
  static constexpr size_t kAadSize = 28;
  static constexpr size_t kMacedSize = kRegisterSize - kMacSize;

  bool with_cookie = false;
  ConnId conn_id;
  SessionRandom client_random{};
  Mac cookie{};
  std::array<uint8_t, kSealedSize> sealed{};
  Mac mac{};

  static std::optional<RegisterPacket> Parse(ByteView datagram);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const RegisterPacket&) const = default;
};
static_assert(RegisterPacket::kAadSize + kMacSize + RegisterPacket::kSealedSize + kMacSize ==
              kRegisterSize);
static_assert(8 + 1 + 16 * kMaxRegisterHave <= RegisterBody::kSize);

}  // namespace p2p::wire
