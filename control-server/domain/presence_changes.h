// What changed on the list of active clients since watchers were told last. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace p2p::server {

class PresenceChanges {
 public:
  // More than this many are not worth sending: the watcher lists again.
  static constexpr size_t kMaxBatch = 200;

  struct Batch {
    std::vector<std::string> arrived;  // Sorted.
    std::vector<std::string> left;     // Sorted.
    bool list_again = false;           // Then both are empty.
  };

  // A user who came and went within one batch is not in it.
  void Arrived(absl::string_view username);
  void Left(absl::string_view username);
  bool empty() const { return !overflow_ && arrived_.empty() && left_.empty(); }
  // Hands the batch over and starts the next one.
  Batch Take();

 private:
  void Bound();

  std::set<std::string> arrived_;
  std::set<std::string> left_;
  bool overflow_ = false;
};

}  // namespace p2p::server
