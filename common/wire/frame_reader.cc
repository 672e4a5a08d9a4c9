#include "common/wire/frame_reader.h"

#include <algorithm>

#include "common/base/check.h"

namespace p2p::wire {

void FrameReader::Feed(ByteView data) {
  if (failed_) return;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(start_));
  start_ = 0;
  buffer_.insert(buffer_.end(), data.begin(), data.end());
}

std::optional<ByteView> FrameReader::Next() {
  ByteReader in(ByteView(buffer_).subspan(start_));
  const size_t size = in.U32();
  if (failed_ || !in.ok()) return std::nullopt;
  if (size == 0 || size > max_frame_) {
    failed_ = true;
    return std::nullopt;
  }
  const ByteView frame = in.Take(size);
  if (!in.ok()) return std::nullopt;
  start_ += kPeerFrameHeaderSize + size;
  return frame;
}

std::span<uint8_t> AppendFrame(size_t size, Bytes& out) {
  P2P_CHECK(size > 0 && size <= kMaxFrameSize);
  const size_t at = out.size();
  out.resize(at + kPeerFrameHeaderSize + size);
  for (size_t i = 0; i < kPeerFrameHeaderSize; ++i) {
    out[at + i] = static_cast<uint8_t>(size >> (8 * (kPeerFrameHeaderSize - 1 - i)));
  }
  return std::span(out).subspan(at + kPeerFrameHeaderSize);
}

void AppendFrame(ByteView frame, Bytes& out) {
  std::ranges::copy(frame, AppendFrame(frame.size(), out).begin());
}

}  // namespace p2p::wire
