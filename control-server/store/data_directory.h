// The directory that holds everything a server remembers, and the lock that keeps a second process
// out: a running server, or a command that works on a stopped one.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/net/fd.h"

namespace p2p::server {

class DataDirectory {
 public:
  // Creates the directory (0700) when needed and locks DIR/lock. AlreadyExists: somebody has it,
  // and the message says who.
  static absl::StatusOr<DataDirectory> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/server.db"; }

 private:
  DataDirectory(std::string path, net::UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  net::UniqueFd lock_;
};

}  // namespace p2p::server
