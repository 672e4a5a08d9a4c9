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
enum RecordType : uint8_t { kMessage = 1, kShown = 2, kKnown = 3 };

Bytes EncodeMessage(const BroadcastJournal::Entry& entry) {
  ByteWriter out;
  out.U8(kMessage).Append(entry.id.view()).U8(entry.via);
  out.U64(static_cast<uint64_t>(ToMs(entry.sent_at)));
  out.U64(static_cast<uint64_t>(ToMs(entry.expires_at)));
  out.U8(static_cast<uint8_t>(entry.sender_name.size())).Append(entry.sender_name);
  out.Append(entry.text);
  return out.Release();
}

Bytes EncodeKnown(BroadcastId id, WallTime expires) {
  ByteWriter out;
  out.U8(kKnown).Append(id.view()).U64(static_cast<uint64_t>(ToMs(expires)));
  return out.Release();
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
  if (type == kMessage) {
    entry.via = in.U8();
    entry.sent_at = WallFromMs(static_cast<int64_t>(in.U64()));
    entry.expires_at = WallFromMs(static_cast<int64_t>(in.U64()));
    entry.sender_name = ToString(in.Take(in.U8()));
    entry.text = ToString(in.Rest());
    known_[entry.id] = {State::kDurable, false, entry.expires_at, next_order_++};
    if (in.ok()) showing_.push_back(std::move(entry));
  } else if (type == kKnown) {
    const WallTime expires = WallFromMs(static_cast<int64_t>(in.U64()));
    known_[entry.id] = {State::kDurable, true, expires, next_order_++};
  } else if (type == kShown) {
    const auto it = known_.find(entry.id);
    if (it != known_.end()) it->second.shown = true;
    std::erase_if(showing_, [&](const Entry& e) { return IsFor(e, entry.id); });
  }
  // A record with a right checksum was written by a program: unknown types are a later version's.
  return in.ok() ? absl::OkStatus() : absl::DataLossError("broadcast journal: malformed record");
}

BroadcastJournal::State BroadcastJournal::Find(BroadcastId id) const {
  const auto it = known_.find(id);
  return it == known_.end() ? State::kUnknown : it->second.state;
}

absl::Status BroadcastJournal::Append(const Entry& entry) {
  P2P_CHECK(Find(entry.id) == State::kUnknown);
  P2P_RETURN_IF_ERROR(log_->Append(EncodeMessage(entry)));
  known_[entry.id] = {State::kUnsynced, false, entry.expires_at, next_order_++};
  showing_.push_back(entry);
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
  it->second.shown = true;
  std::erase_if(showing_, [&](const Entry& e) { return IsFor(e, id); });
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
    return item.second.state == State::kDurable && item.second.shown && old(item.second.expires_at);
  });
}

absl::Status BroadcastJournal::Rewrite() {
  std::vector<std::pair<uint64_t, Bytes>> ordered;
  for (const auto& [id, known] : known_) {
    if (known.shown) ordered.emplace_back(known.order, EncodeKnown(id, known.expires_at));
  }
  for (const Entry& entry : showing_) {
    ordered.emplace_back(known_[entry.id].order, EncodeMessage(entry));
  }
  std::sort(ordered.begin(), ordered.end());
  std::vector<Bytes> records;
  for (auto& [order, record] : ordered) records.push_back(std::move(record));
  return log_->Rewrite(records);
}

}  // namespace p2p::client
