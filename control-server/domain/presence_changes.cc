#include "control-server/domain/presence_changes.h"

#include <utility>

namespace p2p::server {

void PresenceChanges::Arrived(absl::string_view username) {
  if (overflow_) return;
  const std::string name(username);
  if (left_.erase(name) == 0) arrived_.insert(name);
  Bound();
}

void PresenceChanges::Left(absl::string_view username) {
  if (overflow_) return;
  const std::string name(username);
  if (arrived_.erase(name) == 0) left_.insert(name);
  Bound();
}

PresenceChanges::Batch PresenceChanges::Take() {
  Batch batch;
  batch.list_again = std::exchange(overflow_, false);
  batch.arrived.assign(arrived_.begin(), arrived_.end());
  batch.left.assign(left_.begin(), left_.end());
  arrived_.clear();
  left_.clear();
  return batch;
}

void PresenceChanges::Bound() {
  if (arrived_.size() + left_.size() <= kMaxBatch) return;
  overflow_ = true;
  arrived_.clear();
  left_.clear();
}

}  // namespace p2p::server
