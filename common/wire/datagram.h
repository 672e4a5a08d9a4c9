// The first bytes of every datagram between a client and a relay.
#pragma once

#include <optional>
#include <string>

#include "common/base/id.h"
#include "common/wire/datagram_limits.h"
#include "common/wire/span_writer.h"

namespace p2p::wire {

enum class DatagramKind : uint8_t {
  kData = 0,        // Either direction: sealed frames.
  kRegister = 1,    // Client to relay.
  kChallenge = 2,   // Relay to client.
  kRegistered = 3,  // Relay to client.
};

// nullopt when it is empty, of another version, or of an unknown kind. Looks at the first byte
// only.
std::optional<DatagramKind> PeekKind(ByteView datagram);
constexpr uint8_t KindByte(DatagramKind kind) {
  return static_cast<uint8_t>(kDatagramVersion << 4 | static_cast<uint8_t>(kind));
}

// DATA:
//   0 version(4 bits) kind(4 bits) | 1 epoch | 2..3 zero | 4..11 conn_id | 12..19 packet_no
//   | 20..n-17 ciphertext of the frames | n-16..n-1 tag
// All 20 bytes are the associated data of the seal.
struct DataHeader {
  uint8_t epoch = 0;  // Low 8 bits of the key epoch.
  ConnId conn_id;
  uint64_t packet_no = 0;

  // nullopt unless the whole datagram has the form and a legal size. The packet number is below
  // kMaxPacketNumber.
  static std::optional<DataHeader> Parse(ByteView datagram);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const DataHeader&) const = default;
};

}  // namespace p2p::wire
