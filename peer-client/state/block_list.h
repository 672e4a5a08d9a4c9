// Whose requests a user does not want to hear of. One small file for each account.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace p2p::client {

// Names are compared without regard to case. One thread.
class BlockList {
 public:
  static constexpr size_t kMost = 1000;

  // A file that is absent is an empty list.
  static absl::StatusOr<BlockList> Open(std::string path);
  // Durable when OK. ResourceExhausted: kMost are blocked.
  absl::Status Set(absl::string_view name, bool blocked);
  const std::vector<std::string>& names() const { return names_; }  // Sorted.

 private:
  explicit BlockList(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::vector<std::string> names_;
};

}  // namespace p2p::client
