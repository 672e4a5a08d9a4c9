// How far the last message to each peer got. Pure.
#pragma once

#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "peer-client/app/output.h"

namespace p2p::client {

class LastSaid {
 public:
  void OnReceipt(const out::Receipt& receipt) {
    Said& last = said_[absl::AsciiStrToLower(receipt.peer)];
    if (receipt.state == "queued") {
      last = {receipt.id, receipt.state};
    } else if (last.id == receipt.id && last.state != "read") {
      last.state = receipt.state;  // Receipts of earlier messages are no news.
    }
    if (said_.size() > kMost) said_.clear();
  }
  void Forget(absl::string_view peer) { said_.erase(absl::AsciiStrToLower(peer)); }
  // "waiting", "delivered", "read"; empty when nothing was said since the start.
  std::string StateOf(absl::string_view peer) const {
    const auto it = said_.find(absl::AsciiStrToLower(peer));
    if (it == said_.end() || it->second.id.empty()) return "";
    return it->second.state == "queued" ? "waiting" : it->second.state;
  }

 private:
  static constexpr size_t kMost = 1000;
  struct Said {
    std::string id;
    std::string state;
  };
  std::map<std::string, Said> said_;  // By lower-case name.
};

}  // namespace p2p::client
