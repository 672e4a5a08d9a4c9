// File descriptors with one owner.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace p2p::net {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// "what: Connection refused" as UnavailableError (ResourceExhausted for ENOSPC, EDQUOT, EMFILE,
// ENFILE; NotFound for ENOENT; AlreadyExists for EEXIST and EADDRINUSE; PermissionDenied for EACCES
// and EPERM).
absl::Status ErrnoError(absl::string_view what, int error_number);

}  // namespace p2p::net
