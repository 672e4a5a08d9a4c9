#include "common/wire/frame_reader.h"

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

void AppendFrame(ByteView frame, Bytes& out) {
  P2P_CHECK(!frame.empty() && frame.size() <= kMaxFrameSize);
  const Bytes header = ByteWriter().U32(static_cast<uint32_t>(frame.size())).Release();
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), frame.begin(), frame.end());
}

}  // namespace p2p::wire
