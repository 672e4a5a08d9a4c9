// Which broadcasts this account has, which of them were shown, and which are never to be shown: the
// client's half of "exactly once", and of "taken back".
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "peer-client/state/record_log.h"

namespace p2p::client {

// One file of one account on one server, one thread. Order of use: Append, Sync, acknowledge, show,
// MarkShown (not synced: after a crash the message is shown once more, as replayed).
class BroadcastJournal {
 public:
  struct Entry {
    BroadcastId id;
    std::string sender_name;
    WallTime sent_at;
    WallTime expires_at;
    std::string text;
    uint8_t via = 0;  // The caller's; kept.
    bool operator==(const Entry&) const = default;
  };
  enum class State {
    kUnknown,
    kUnsynced,  // Appended, or taken back before it came; not to be acknowledged (yet).
    kDurable,   // Survives loss of power.
  };

  // Entries expired for longer than `keep` at `now` (the server's clock) are forgotten.
  static absl::StatusOr<std::unique_ptr<BroadcastJournal>> Open(LogStorage& storage,
                                                                const std::string& path,
                                                                WallTime now, Duration keep);

  State Find(BroadcastId id) const;
  // The id must be unknown.
  absl::Status Append(const Entry& entry);
  // Makes everything appended durable. After an error the journal refuses all until the next start.
  absl::Status Sync();
  absl::Status MarkShown(BroadcastId id);
  // Taken back: never to be shown, whether it is here or comes later. Returns what was shown of it,
  // with the beginning of its text, unless that was returned before. `expires`: of a broadcast that
  // is not here. Not synced: the server says it again.
  std::optional<Entry> TakeBack(BroadcastId id, WallTime expires);
  bool IsTakenBack(BroadcastId id) const;
  // As appended; nullopt: unknown, or known no more.
  std::optional<uint8_t> Via(BroadcastId id) const;

  // What an earlier run made durable and did not mark shown, oldest first. Once.
  std::vector<Entry> TakeUnshown() { return std::move(unshown_); }
  // Durable ids, newest first: what a relay need not send.
  std::vector<BroadcastId> Newest(size_t max) const;
  // Forgets what expired long ago and rewrites the file when that halves it. Call now and then.
  absl::Status Compact(WallTime now, Duration keep);
  size_t size() const { return known_.size(); }

  // What is remembered of shown ones, should they be taken back: the newest, and of their text the
  // first bytes.
  static constexpr size_t kMaxSeen = 200;
  static constexpr size_t kSeenText = 400;
  // Taken back before they came: as many as a server has places for, the newest.
  static constexpr size_t kMaxRefused = 4096;
  size_t file_size() const { return log_->size(); }

 private:
  struct Known {
    State state = State::kUnknown;
    bool shown = false;
    WallTime expires_at;
    uint64_t order = 0;
    std::optional<uint8_t> via = std::nullopt;
    bool taken_back = false;
    bool refused = false;  // Taken back before it came.
  };
  BroadcastJournal() = default;
  absl::Status OnRecord(ByteView record);
  void TakeIn(Entry entry, State state);
  void TurnSeen(BroadcastId id);
  // Notes it in memory; what was shown of it.
  std::optional<Entry> Refuse(BroadcastId id, WallTime expires);
  void ForgetOldestRefused();
  void Forget(WallTime now, Duration keep);
  absl::Status Rewrite();

  std::unique_ptr<RecordLog> log_;
  absl::flat_hash_map<BroadcastId, Known> known_;
  std::vector<Entry> unshown_;  // Found at Open, until taken.
  std::vector<Entry> showing_;  // Durable or about to be, not marked: must survive compaction.
  std::deque<Entry> seen_;      // Shown and not taken back, oldest first.
  size_t refused_ = 0;          // Of known_.
  std::vector<BroadcastId> unsynced_;
  uint64_t next_order_ = 1;
};

}  // namespace p2p::client
