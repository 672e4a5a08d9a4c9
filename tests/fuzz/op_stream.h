// An input read as a sequence of operations, for targets that are state machines.
#pragma once

#include <algorithm>

#include "common/base/bytes.h"

namespace p2p::fuzz {

class OpStream {
 public:
  explicit OpStream(ByteView in) : in_(in) {}
  bool empty() const { return in_.empty(); }
  // 0 past the end.
  uint8_t U8() {
    if (in_.empty()) return 0;
    const uint8_t out = in_.front();
    in_ = in_.subspan(1);
    return out;
  }
  uint16_t U16() { return static_cast<uint16_t>(U8() << 8 | U8()); }
  // As many as there are.
  ByteView Take(size_t n) {
    const ByteView out = in_.first(std::min(n, in_.size()));
    in_ = in_.subspan(out.size());
    return out;
  }

 private:
  ByteView in_;
};

}  // namespace p2p::fuzz
