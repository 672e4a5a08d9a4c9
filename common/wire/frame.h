// Frames: what a DATA datagram carries once it is opened. Each is type u8, length u16, body.
#pragma once

#include <optional>

#include "common/wire/datagram_limits.h"
#include "common/wire/span_writer.h"

namespace p2p::wire {

enum class FrameType : uint8_t {
  kPad = 0,
  kFragment = 1,  // BFRAG
  kAck = 2,
  kDone = 3,
  kPing = 4,
  kPong = 5,
  kPathChallenge = 6,
  kPathResponse = 7,
  kSync = 8,
  kAckWindow = 9,
  kClose = 10,
};

// A frame as found: its type may be one this version does not know; then it is skipped.
struct RawFrame {
  uint8_t type = 0;
  ByteView body;
};

// Walks over the frames of one datagram.
class FrameCursor {
 public:
  explicit FrameCursor(ByteView frames) : in_(frames) {}
  // The next frame; nullopt at the end or at the first malformed one.
  std::optional<RawFrame> Next();
  // After Next() returned nullopt: everything was well-formed.
  bool ok() const { return in_.ok(); }

 private:
  ByteReader in_;
};

// Writes header and body; the writer turns not-ok when they do not fit.
void WriteFrame(SpanWriter& out, FrameType type, ByteView body);

}  // namespace p2p::wire
