// Big-endian fields into a buffer of fixed size: the hot path builds datagrams without allocating.
#pragma once

#include <algorithm>
#include <span>

#include "common/base/bytes.h"

namespace p2p::wire {

// Writing past the end writes nothing and makes the failure sticky; check ok() once.
class SpanWriter {
 public:
  explicit SpanWriter(std::span<uint8_t> out) : out_(out) {}
  SpanWriter& U8(uint8_t v) { return Uint(v, 1); }
  SpanWriter& U16(uint16_t v) { return Uint(v, 2); }
  SpanWriter& U32(uint32_t v) { return Uint(v, 4); }
  SpanWriter& U64(uint64_t v) { return Uint(v, 8); }
  SpanWriter& Append(ByteView b) {
    const auto to = Reserve(b.size());
    if (!to.empty()) std::copy(b.begin(), b.end(), to.begin());
    return *this;
  }
  SpanWriter& Zeros(size_t n) {
    const auto to = Reserve(n);
    std::fill(to.begin(), to.end(), uint8_t{0});
    return *this;
  }
  size_t size() const { return used_; }
  size_t room() const { return out_.size() - used_; }
  bool ok() const { return ok_; }
  ByteView written() const { return ByteView(out_).first(used_); }

 private:
  std::span<uint8_t> Reserve(size_t n) {
    if (!ok_ || n > room()) {
      ok_ = false;
      return {};
    }
    used_ += n;
    return out_.subspan(used_ - n, n);
  }
  SpanWriter& Uint(uint64_t v, size_t n) {
    const auto to = Reserve(n);
    for (size_t i = to.size(); i-- > 0; v >>= 8) to[i] = static_cast<uint8_t>(v);
    return *this;
  }
  std::span<uint8_t> out_;
  size_t used_ = 0;
  bool ok_ = true;
};

}  // namespace p2p::wire
