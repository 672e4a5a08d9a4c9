// Tells the connections of approved peers from all others by their first 32 bytes. Pure.
#pragma once

#include <deque>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "peer-client/chat/link_keys.h"

namespace p2p::client {

// One thread. Every link is tried in the same time, whichever matches.
class KnockGuard {
 public:
  // False, and nothing is added, when kMaxLiveLinks are there already.
  bool Add(const RequestId& intro_id, const LinkSecret& link, LinkRole my_role);
  void Remove(const RequestId& intro_id) { links_.erase(intro_id); }
  size_t size() const { return links_.size(); }

  enum class Verdict { kAccepted, kWrong, kRepeated };
  struct Result {
    Verdict verdict = Verdict::kWrong;
    RequestId link;  // Unless kWrong.
  };
  // An accepted random is remembered, the newest kKnockMemory of each link, and refused from then
  // on.
  Result Check(const KnockBytes& knock);

 private:
  struct Link {
    KnockKey key;
    LinkRole dialler;
    absl::flat_hash_set<KnockRandom> seen;
    std::deque<KnockRandom> order;  // Of `seen`, oldest first.
  };
  static bool Remember(Link& link, const KnockRandom& random);
  absl::flat_hash_map<RequestId, Link> links_;
};

}  // namespace p2p::client
