// The hash of a large file in slices on the event loop, so that a conversation goes on meanwhile.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/crypto/hash.h"

namespace p2p::client {

// Alive until it is done or nobody holds it any more. One thread.
class SlicedHash : public std::enable_shared_from_this<SlicedHash> {
 public:
  using Read = std::function<absl::StatusOr<size_t>(uint64_t offset, std::span<uint8_t> out)>;
  using Done = std::function<void(absl::StatusOr<crypto::Sha256Stream>)>;

  // The first `length` bytes. `done` is called once, from the loop, never from within Start, and
  // not at all once the result was dropped.
  static std::shared_ptr<SlicedHash> Start(asio::io_context& io, Read read, uint64_t length,
                                           Done done);

 private:
  SlicedHash(asio::io_context& io, Read read, uint64_t length, Done done);
  void Next();
  void Step();

  asio::io_context& io_;
  Read read_;
  const uint64_t length_;
  Done done_;
  uint64_t at_ = 0;
  crypto::Sha256Stream hash_;
  Bytes buffer_;
};

}  // namespace p2p::client
