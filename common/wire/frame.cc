#include "common/wire/frame.h"

namespace p2p::wire {

std::optional<RawFrame> FrameCursor::Next() {
  if (!in_.ok() || in_.remaining() == 0) return std::nullopt;
  RawFrame frame;
  frame.type = in_.U8();
  frame.body = in_.Take(in_.U16());
  if (!in_.ok()) return std::nullopt;
  return frame;
}

void WriteFrame(SpanWriter& out, FrameType type, ByteView body) {
  out.U8(static_cast<uint8_t>(type)).U16(static_cast<uint16_t>(body.size())).Append(body);
}

}  // namespace p2p::wire
