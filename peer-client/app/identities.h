// What is known of peers' keys, for whoever shows a name. Pure.
#pragma once

#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "peer-client/app/data_ports.h"

namespace p2p::client {

// The numbers that come with each answer are costly, so that states are kept until Forget.
class Identities {
 public:
  // `peers` outlives it.
  explicit Identities(PeerPort& peers) : peers_(peers) {}

  // A state as in out::Identity; empty: never talked with.
  std::string StateOf(const std::string& peer) {
    const std::string key = absl::AsciiStrToLower(peer);
    if (const auto it = states_.find(key); it != states_.end()) return it->second;
    const auto known = peers_.Identity(peer);
    if (!known.ok()) return "";
    if (states_.size() >= kMost) states_.clear();
    return states_[key] = known->state;
  }
  // Something was learned, or said by the user.
  void Forget() { states_.clear(); }

 private:
  static constexpr size_t kMost = 1000;
  PeerPort& peers_;
  std::map<std::string, std::string> states_;  // By lower-case name.
};

}  // namespace p2p::client
