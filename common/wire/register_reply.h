// CHALLENGE and REGISTERED: what a relay answers to REGISTER. Both are smaller than REGISTER.
#pragma once

#include <optional>
#include <string>

#include "common/wire/register_packet.h"

namespace p2p::wire {

//   0 kind | 1..3 zero | 4..11 conn_id | 12..27 client_random | 28..43 cookie | 44..47 zero
//   | 48..63 mac over 0..47
struct ChallengePacket {
  static constexpr size_t kMacedSize = kChallengeSize - kMacSize;
  ConnId conn_id;
  SessionRandom client_random{};
  Mac cookie{};
  Mac mac{};

  static std::optional<ChallengePacket> Parse(ByteView datagram);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const ChallengePacket&) const = default;
};

// What REGISTERED carries sealed.
//   0..3 epoch | 4..7 retention, ms | 8..11 ping interval, ms | 12..19 reg_seq | 20..35 zero
struct RegisteredBody {
  static constexpr size_t kSize = kRegisteredSize - 44 - kSealTagSize;
  uint32_t epoch = 0;
  uint32_t retention_ms = 0;
  uint32_t ping_ms = 0;  // How often the relay wants to hear from the client at least.
  uint64_t reg_seq = 0;  // Of the REGISTER that this answers.

  static std::optional<RegisteredBody> Parse(ByteView plain);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const RegisteredBody&) const = default;
};

//   0 kind | 1..3 zero | 4..11 conn_id | 12..27 client_random | 28..43 server_random
//   | 44..79 sealed body | 80..95 its tag;  associated data = bytes 0..43
struct RegisteredPacket {
  static constexpr size_t kSealedSize = RegisteredBody::kSize + kSealTagSize;
  static constexpr size_t kAadSize = 44;
  ConnId conn_id;
  SessionRandom client_random{};
  SessionRandom server_random{};
  std::array<uint8_t, kSealedSize> sealed{};

  static std::optional<RegisteredPacket> Parse(ByteView datagram);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const RegisteredPacket&) const = default;
};
static_assert(RegisteredPacket::kAadSize + RegisteredPacket::kSealedSize == kRegisteredSize);

}  // namespace p2p::wire
