// Verifies, keeps and hands out broadcasts, whichever way they came: the only place where a message
// becomes something to show.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "peer-client/broadcast/broadcast_receiver.h"
#include "peer-client/state/broadcast_journal.h"

namespace p2p::client {

// One thread. Bounded by what is accepted between two Commit() calls.
class BroadcastInbox {
 public:
  enum class Verdict {
    kNew,        // Appended; Commit() makes it durable.
    kDuplicate,  // Here already, durable or about to be.
    kForged,     // Signature, digest or id are wrong.
    kStale,      // Expired so long ago that its id may have been forgotten here: a replay.
    kFailed,     // The journal does not take it.
  };
  explicit BroadcastInbox(BroadcastJournal& journal) : journal_(journal) {}

  // From Attached. `ahead` is the server's clock minus ours.
  void SetServer(const std::array<uint8_t, 32>& broadcast_key, Duration retention, Duration ahead);

  BroadcastJournal::State Find(BroadcastId id) const { return journal_.Find(id); }
  std::vector<BroadcastId> Newest(size_t max) const { return journal_.Newest(max); }
  Verdict Accept(BroadcastId id, ByteView signed_object, ByteView signature, ByteView text,
                 BroadcastVia via, WallTime wall);
  // One fsync for everything accepted since the last; then it may be acknowledged and shown.
  absl::StatusOr<std::vector<BroadcastMessage>> Commit(WallTime wall);
  bool has_uncommitted() const { return !accepted_.empty(); }

  std::vector<BroadcastMessage> TakeUnshown();
  absl::Status MarkShown(BroadcastId id) { return journal_.MarkShown(id); }
  std::optional<BroadcastVia> Via(BroadcastId id) const;
  // Nothing of it is shown any more: should it still come it is a duplicate, and never durable.
  // Returns what was shown of it, the first time.
  std::optional<BroadcastMessage> TakeBack(BroadcastId id, WallTime wall);
  const absl::Status& journal_status() const { return status_; }

 private:
  WallTime ServerTime(WallTime wall) const;

  BroadcastJournal& journal_;
  std::array<uint8_t, 32> key_{};
  Duration retention_ = 30min;
  Duration ahead_{0};
  std::vector<BroadcastMessage> accepted_;
  absl::Status status_;
};

// How long after its expiry an id is remembered. Objects that expired longer ago than half of that
// are refused as replays, so that none can slip in once its id is forgotten.
constexpr Duration JournalKeep(Duration retention) { return 2 * retention; }

}  // namespace p2p::client
