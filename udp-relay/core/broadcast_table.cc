#include "udp-relay/core/broadcast_table.h"

#include "common/wire/broadcast_payload.h"
#include "common/wire/delivery_frames.h"

namespace p2p::relay {

void StoredBroadcast::End() {
  dead = true;
  Bytes().swap(payload);
}

bool BroadcastTable::Add(const SignedBroadcast& broadcast, MonoTime expires) {
  if (by_id_.contains(broadcast.id)) return true;
  if (by_id_.size() >= max_) return false;
  const wire::BroadcastPayload payload{.signed_object = broadcast.signed_object,
                                       .signature = broadcast.signature,
                                       .text = AsBytes(broadcast.text)};
  auto stored = std::make_shared<StoredBroadcast>();
  stored->id = broadcast.id;
  stored->payload = payload.Serialize();
  // Checked by the reader's own rules: what a client would refuse is not worth sending.
  if (!wire::BroadcastPayload::Parse(stored->payload)) return false;
  stored->fragments = static_cast<uint16_t>(wire::FragmentCount(stored->payload.size()));
  by_id_.emplace(broadcast.id, Entry{std::move(stored), expires});
  by_expiry_.emplace(expires, broadcast.id);
  return true;
}

void BroadcastTable::Remove(BroadcastId id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  it->second.broadcast->End();
  by_expiry_.erase({it->second.expires, id});
  by_id_.erase(it);
}

StoredBroadcastPtr BroadcastTable::Find(BroadcastId id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second.broadcast;
}

void BroadcastTable::Expire(MonoTime now) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
    const BroadcastId id = by_expiry_.begin()->second;
    Remove(id);
  }
}

std::optional<MonoTime> BroadcastTable::NextDeadline() const {
  if (by_expiry_.empty()) return std::nullopt;
  return by_expiry_.begin()->first;
}

void BroadcastTable::Clear() {
  for (auto& [id, entry] : by_id_) entry.broadcast->End();
  by_id_.clear();
  by_expiry_.clear();
}

}  // namespace p2p::relay
