#include "peer-client/transfer/sliced_hash.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

namespace p2p::client {
namespace {

constexpr size_t kSlice = 1 << 20;  // About a millisecond of work.

}  // namespace

SlicedHash::SlicedHash(asio::io_context& io, Read read, uint64_t length, Done done)
    : io_(io), read_(std::move(read)), length_(length), done_(std::move(done)), buffer_(kSlice) {}

std::shared_ptr<SlicedHash> SlicedHash::Start(asio::io_context& io, Read read, uint64_t length,
                                              Done done) {
  std::shared_ptr<SlicedHash> out(new SlicedHash(io, std::move(read), length, std::move(done)));
  out->Next();
  return out;
}

void SlicedHash::Next() {
  asio::post(io_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Step();
  });
}

void SlicedHash::Step() {
  if (at_ == length_) return std::exchange(done_, nullptr)(std::move(hash_));
  const auto want = static_cast<size_t>(std::min<uint64_t>(length_ - at_, buffer_.size()));
  const auto n = read_(at_, std::span(buffer_).first(want));
  if (!n.ok()) return std::exchange(done_, nullptr)(n.status());
  if (*n == 0) {
    return std::exchange(done_, nullptr)(absl::FailedPreconditionError("the file became shorter"));
  }
  hash_.Update(ByteView(buffer_).first(*n));
  at_ += *n;
  Next();
}

}  // namespace p2p::client
