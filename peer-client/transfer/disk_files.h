// The two ends of a transfer on the disk: a file that is read, and one that comes into being.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/crypto/hash.h"
#include "common/net/fd.h"

namespace p2p::client {

// What is sent. It is noticed when somebody changes it meanwhile. One thread; blocks for the disk.
class SourceFile {
 public:
  // InvalidArgument: no regular file, or not readable.
  static absl::StatusOr<std::unique_ptr<SourceFile>> Open(const std::string& path);
  uint64_t size() const { return size_; }
  int64_t modified_ns() const { return modified_ns_; }
  // Up to `out.size()` bytes from `offset`. FailedPrecondition: the file has changed.
  absl::StatusOr<size_t> Read(uint64_t offset, std::span<uint8_t> out) const;

 private:
  net::UniqueFd fd_;
  uint64_t size_ = 0;
  int64_t modified_ns_ = 0;
};

// What is received: ".<id>.part" (0600) in the folder until it is complete and verified. One
// thread; blocks for the disk.
class Download {
 public:
  // Free space that a download leaves, in bytes.
  static constexpr uint64_t kSpare = uint64_t{256} << 20;

  // Opens what is there of it, or begins anew; never follows a link. ResourceExhausted: the disk
  // has less room than what is missing and kSpare.
  static absl::StatusOr<std::unique_ptr<Download>> Open(const std::string& folder,
                                                        const std::string& id, uint64_t size);
  uint64_t written() const { return written_; }
  // Everything from the beginning once more.
  absl::Status Restart();
  absl::Status Append(ByteView data);
  // For the hash of what is there at the start.
  absl::StatusOr<size_t> Read(uint64_t offset, std::span<uint8_t> out) const;
  // Durable, then visible under `name` or a numbered one that is free; the full path. Overwrites
  // nothing. InvalidArgument: `name` is a path, which SafeFileName never returns.
  absl::StatusOr<std::string> Finish(const std::string& name);
  void Discard();
  // What a Download of this id left in the folder, if anything.
  static void Remove(const std::string& folder, const std::string& id);

 private:
  Download(std::string folder, net::UniqueFd directory, std::string part, net::UniqueFd fd);
  const std::string folder_;
  net::UniqueFd directory_;
  const std::string part_;
  net::UniqueFd fd_;
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
};

}  // namespace p2p::client
