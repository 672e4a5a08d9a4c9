// BFRAG, ACK, DONE: a broadcast in pieces and what came of them.
#pragma once

#include <optional>
#include <string>

#include "common/base/id.h"
#include "common/wire/frame.h"

namespace p2p::wire {

//   0..15 bcast_id | 16..17 index | 18..19 count | 20..23 total | 24.. bytes
// Every fragment but the last holds kFragmentBytes; so count and size follow from total, and
// anything else is malformed.
struct FragmentFrame {
  BroadcastId id;
  uint16_t index = 0;
  uint16_t count = 0;
  uint32_t total = 0;
  ByteView bytes;  // Into the datagram.

  static std::optional<FragmentFrame> Parse(ByteView body);
  void SerializeTo(SpanWriter& out) const;  // Header included, as in all frames below.
  std::string ToString() const;
};

// Number of fragments of a payload of `total` bytes, and where fragment `index` lies.
constexpr size_t FragmentCount(size_t total) {
  return (total + kFragmentBytes - 1) / kFragmentBytes;
}
constexpr size_t FragmentSize(size_t total, size_t index) {
  const size_t begin = index * kFragmentBytes;
  return total - begin < kFragmentBytes ? total - begin : kFragmentBytes;
}

//   0..15 bcast_id | 16..23 packet_no | 24..25 delay, ms | 26..33 bitmap
// packet_no is the newest datagram that carried a fragment of it, delay the time since it arrived:
// together they give an exact round trip, even after retransmission. Bit i (least significant = 0)
// of the bitmap: fragment i is here.
struct AckFrame {
  BroadcastId id;
  uint64_t packet_no = 0;
  uint16_t delay_ms = 0;
  uint64_t bitmap = 0;

  static std::optional<AckFrame> Parse(ByteView body);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const AckFrame&) const = default;
};

//   0..15 bcast_id | 16..23 packet_no | 24..25 delay, ms
// The broadcast is journalled and fsynced (or was, before). Sent again for each further fragment.
struct DoneFrame {
  BroadcastId id;
  uint64_t packet_no = 0;
  uint16_t delay_ms = 0;

  static std::optional<DoneFrame> Parse(ByteView body);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const DoneFrame&) const = default;
};

}  // namespace p2p::wire
