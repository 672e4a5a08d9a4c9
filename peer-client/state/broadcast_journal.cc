#include "peer-client/state/broadcast_journal.h"

#include <algorithm>

#include "common/base/check.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kBroadcastMagic = "p2pbcj1\n";
constexpr size_t kRewriteAbove = 1024 * 1024;

//   1 message: id 16  via u8  sent u64  expires u64  name (u8 length, bytes)  text (the rest)
//   2 shown:   id 16
//   3 known:   id 16  expires u64            (a message that was shown, after compaction)
//   4 seen:    as 1, the text cut            (the same, while it may be taken back)
//   5 taken back: id 16  expires u64         (a message that is here, or one that never came)
enum RecordType : uint8_t { kMessage = 1, kShown = 2, kKnown = 3, kSeen = 4, kTakenBack = 5 };

Bytes EncodeEntry(RecordType type, const BroadcastJournal::Entry& entry) {
  ByteWriter out;
  out.U8(type).Append(entry.id.view()).U8(entry.via);
  out.U64(static_cast<uint64_t>(ToMs(entry.sent_at)));
  out.U64(static_cast<uint64_t>(ToMs(entry.expires_at)));
  out.U8(static_cast<uint8_t>(entry.sender_name.size())).Append(entry.sender_name);
  out.Append(entry.text);
  return out.Release();
}

Bytes EncodeId(RecordType type, BroadcastId id, WallTime expires) {
  ByteWriter out;
  out.U8(type).Append(id.view()).U64(static_cast<uint64_t>(ToMs(expires)));
  return out.Release();
}

// The first bytes of a text, whole characters of it.
void CutText(std::string& text, size_t most) {
  if (text.size() <= most) return;
  while (most > 0 && (static_cast<uint8_t>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  text += "…";
}

bool IsFor(const BroadcastJournal::Entry& entry, BroadcastId id) { return entry.id == id; }

}  // namespace

absl::StatusOr<std::unique_ptr<BroadcastJournal>> BroadcastJournal::Open(LogStorage& storage,
                                                                         const std::string& path,
                                                                         WallTime now,
                                                                         Duration keep) {
  std::unique_ptr<BroadcastJournal> journal(new BroadcastJournal());
  P2P_ASSIGN_OR_RETURN(journal->log_,
                       RecordLog::Open(storage, path, kBroadcastMagic, [&journal](ByteView record) {
                         return journal->OnRecord(record);
                       }));
  // What was read may still be in the cache only: the tail of a process that was killed.
  journal->Forget(now, keep);
  P2P_RETURN_IF_ERROR(journal->Rewrite());
  journal->unshown_ = journal->showing_;
  return journal;
}

absl::Status BroadcastJournal::OnRecord(ByteView record) {
  ByteReader in(record);
  const uint8_t type = in.U8();
  Entry entry;
  entry.id.bytes = in.Array<16>();
  if (type == kMessage || type == kSeen) {
    entry.via = in.U8();
    entry.sent_at = WallFromMs(static_cast<int64_t>(in.U64()));
    entry.expires_at = WallFromMs(static_cast<int64_t>(in.U64()));
    entry.sender_name = ToString(in.Take(in.U8()));
    entry.text = ToString(in.Rest());
    if (in.ok()) TakeIn(entry, State::kDurable);
    if (in.ok() && type == kSeen) TurnSeen(entry.id);
  } else if (type == kKnown) {
    const WallTime expires = WallFromMs(static_cast<int64_t>(in.U64()));
    known_[entry.id] = {State::kDurable, true, expires, next_order_++};
    std::erase_if(showing_, [&](const Entry& e) { return IsFor(e, entry.id); });
  } else if (type == kShown) {
    TurnSeen(entry.id);
  } else if (type == kTakenBack) {
    const WallTime expires = WallFromMs(static_cast<int64_t>(in.U64()));
    if (in.ok()) (void)Refuse(entry.id, expires);
  }
  // A record with a right checksum was written by a program: unknown types are a later version's.
  return in.ok() ? absl::OkStatus() : absl::DataLossError("broadcast journal: malformed record");
}

void BroadcastJournal::TakeIn(Entry entry, State state) {
  if (known_.contains(entry.id)) {  // In a file that somebody else wrote: it counts once.
    std::erase_if(showing_, [&](const Entry& e) { return IsFor(e, entry.id); });
  }
  known_[entry.id] = {state, false, entry.expires_at, next_order_++, entry.via};
  showing_.push_back(std::move(entry));
}

void BroadcastJournal::TurnSeen(BroadcastId id) {
  if (const auto it = known_.find(id); it != known_.end()) it->second.shown = true;
  const auto entry =
      std::find_if(showing_.begin(), showing_.end(), [&](const Entry& e) { return IsFor(e, id); });
  if (entry == showing_.end()) return;
  CutText(entry->text, kSeenText);
  seen_.push_back(std::move(*entry));
  showing_.erase(entry);
  if (seen_.size() > kMaxSeen) seen_.pop_front();
}

std::optional<BroadcastJournal::Entry> BroadcastJournal::Refuse(BroadcastId id, WallTime expires) {
  const auto [it, fresh] = known_.try_emplace(id);
  Known& known = it->second;
  known.taken_back = known.shown = true;
  if (fresh) {
    known.state = State::kUnsynced;
    known.refused = true;
    known.expires_at = expires;
    known.order = next_order_++;
    if (++refused_ > kMaxRefused) ForgetOldestRefused();
  }
  std::erase_if(showing_, [&](const Entry& e) { return IsFor(e, id); });
  const auto seen =
      std::find_if(seen_.begin(), seen_.end(), [&](const Entry& e) { return IsFor(e, id); });
  if (seen == seen_.end()) return std::nullopt;
  Entry entry = std::move(*seen);
  seen_.erase(seen);
  return entry;
}

void BroadcastJournal::ForgetOldestRefused() {
  auto oldest = known_.end();
  for (auto it = known_.begin(); it != known_.end(); ++it) {
    if (!it->second.refused) continue;
    if (oldest == known_.end() || it->second.order < oldest->second.order) oldest = it;
  }
  known_.erase(oldest);
  --refused_;
}

std::optional<BroadcastJournal::Entry> BroadcastJournal::TakeBack(BroadcastId id,
                                                                  WallTime expires) {
  if (IsTakenBack(id)) return std::nullopt;
  auto seen = Refuse(id, expires);
  // A failure shows at the next Append; this much is known until the end of the program anyway.
  (void)log_->Append(EncodeId(kTakenBack, id, known_[id].expires_at));
  return seen;
}

bool BroadcastJournal::IsTakenBack(BroadcastId id) const {
  const auto it = known_.find(id);
  return it != known_.end() && it->second.taken_back;
}

std::optional<uint8_t> BroadcastJournal::Via(BroadcastId id) const {
  const auto it = known_.find(id);
  return it == known_.end() ? std::nullopt : it->second.via;
}

BroadcastJournal::State BroadcastJournal::Find(BroadcastId id) const {
  const auto it = known_.find(id);
  return it == known_.end() ? State::kUnknown : it->second.state;
}

absl::Status BroadcastJournal::Append(const Entry& entry) {
  P2P_CHECK(Find(entry.id) == State::kUnknown);
  P2P_RETURN_IF_ERROR(log_->Append(EncodeEntry(kMessage, entry)));
  TakeIn(entry, State::kUnsynced);
  unsynced_.push_back(entry.id);
  return absl::OkStatus();
}

absl::Status BroadcastJournal::Sync() {
  P2P_RETURN_IF_ERROR(log_->Sync());
  for (const BroadcastId& id : unsynced_) known_[id].state = State::kDurable;
  unsynced_.clear();
  return absl::OkStatus();
}

absl::Status BroadcastJournal::MarkShown(BroadcastId id) {
  const auto it = known_.find(id);
  if (it == known_.end() || it->second.shown) return absl::OkStatus();
  TurnSeen(id);
  ByteWriter record;
  record.U8(kShown).Append(id.view());
  return log_->Append(record.bytes());
}

std::vector<BroadcastId> BroadcastJournal::Newest(size_t max) const {
  std::vector<std::pair<uint64_t, BroadcastId>> all;
  for (const auto& [id, known] : known_) {
    if (known.state == State::kDurable) all.emplace_back(known.order, id);
  }
  const size_t count = std::min(max, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), all.end(),
                    std::greater<>());
  std::vector<BroadcastId> out;
  for (size_t i = 0; i < count; ++i) out.push_back(all[i].second);
  return out;
}

absl::Status BroadcastJournal::Compact(WallTime now, Duration keep) {
  if (log_->size() < kRewriteAbove) {
    Forget(now, keep);  // The file catches up at the next rewriting.
    return absl::OkStatus();
  }
  size_t live = 0;
  for (const Entry& entry : showing_) live += entry.text.size();
  if (log_->size() < 2 * live) return absl::OkStatus();
  P2P_RETURN_IF_ERROR(Sync());
  Forget(now, keep);
  return Rewrite();
}

void BroadcastJournal::Forget(WallTime now, Duration keep) {
  // In milliseconds: `expires` is whatever the file says.
  const WallTime since = now - std::chrono::duration_cast<WallTime::duration>(keep);
  const auto old = [&](WallTime expires) { return expires < since; };
  // What nobody saw yet is kept until somebody does.
  absl::erase_if(known_, [&](const auto& item) {
    const Known& known = item.second;
    const bool settled = known.refused || (known.state == State::kDurable && known.shown);
    if (!settled || !old(known.expires_at)) return false;
    if (known.refused) --refused_;
    return true;
  });
  std::erase_if(seen_, [&](const Entry& entry) { return !known_.contains(entry.id); });
}

absl::Status BroadcastJournal::Rewrite() {
  std::vector<std::pair<uint64_t, Bytes>> ordered;
  for (const auto& [id, known] : known_) {
    // First what an earlier version understands, too.
    if (known.shown && !known.refused) {
      ordered.emplace_back(known.order, EncodeId(kKnown, id, known.expires_at));
    }
    if (known.taken_back) {
      ordered.emplace_back(known.order, EncodeId(kTakenBack, id, known.expires_at));
    }
  }
  for (const Entry& entry : seen_) {
    ordered.emplace_back(known_[entry.id].order, EncodeEntry(kSeen, entry));
  }
  for (const Entry& entry : showing_) {
    ordered.emplace_back(known_[entry.id].order, EncodeEntry(kMessage, entry));
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Bytes> records;
  for (auto& [order, record] : ordered) records.push_back(std::move(record));
  return log_->Rewrite(records);
}

}  // namespace p2p::client
