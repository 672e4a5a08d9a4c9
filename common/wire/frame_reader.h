// Cuts a byte stream into frames: u32 big-endian length, then that many bytes (proto/PEER_LINK.md).
#pragma once

#include <optional>

#include "common/base/bytes.h"
#include "common/wire/peer_link_limits.h"

namespace p2p::wire {

// The length is judged as soon as its four bytes are there; memory holds no more than what arrived.
class FrameReader {
 public:
  explicit FrameReader(size_t max_frame) : max_frame_(max_frame) {}
  // For frames whose length has not been judged yet.
  void set_max_frame(size_t max_frame) { max_frame_ = max_frame; }
  // Drain Next() before: then at most one frame and `data` are held.
  void Feed(ByteView data);
  // The next whole frame, valid until the next Feed. nullopt: not there yet, or failed().
  std::optional<ByteView> Next();
  bool failed() const { return failed_; }  // A length of 0 or above the limit; sticky.
  size_t buffered() const { return buffer_.size() - start_; }

 private:
  size_t max_frame_;
  Bytes buffer_;
  size_t start_ = 0;
  bool failed_ = false;
};

// Appends the header and room for a frame of 1 to kMaxFrameSize bytes (P2P_CHECK), to be filled
// before `out` changes.
std::span<uint8_t> AppendFrame(size_t size, Bytes& out);
// Appends header and frame.
void AppendFrame(ByteView frame, Bytes& out);

}  // namespace p2p::wire
