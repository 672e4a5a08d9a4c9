// The live broadcasts, each kept once however many sessions it is queued for.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/relay/relay_port.h"

namespace p2p::relay {

struct StoredBroadcast {
  BroadcastId id;
  Bytes payload;  // As cut into fragments.
  uint16_t fragments = 0;
  bool dead = false;  // Expired or removed: sessions drop it when they meet it.
  // Frees the payload at once: a session that is never reached keeps the rest for long.
  void End();
};
using StoredBroadcastPtr = std::shared_ptr<const StoredBroadcast>;

class BroadcastTable {
 public:
  explicit BroadcastTable(size_t max) : max_(max) {}
  // False when full or malformed. An id that is here already is kept as it is.
  bool Add(const SignedBroadcast& broadcast, MonoTime expires);
  void Remove(BroadcastId id);
  // Null when unknown.
  StoredBroadcastPtr Find(BroadcastId id) const;
  void Expire(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  size_t size() const { return by_id_.size(); }
  void Clear();

 private:
  struct Entry {
    std::shared_ptr<StoredBroadcast> broadcast;
    MonoTime expires;
  };
  size_t max_;
  absl::flat_hash_map<BroadcastId, Entry> by_id_;
  std::set<std::pair<MonoTime, BroadcastId>> by_expiry_;
};

}  // namespace p2p::relay
