#include "peer-client/broadcast/broadcast_inbox.h"

#include "common/base/check.h"
#include "common/crypto/hash.h"
#include "common/crypto/sign.h"
#include "common/wire/broadcast_object.h"

namespace p2p::client {
namespace {

BroadcastVia ToVia(uint8_t journalled) {
  return journalled == static_cast<uint8_t>(BroadcastVia::kChannel) ? BroadcastVia::kChannel
                                                                    : BroadcastVia::kUdp;
}

BroadcastMessage ToMessage(BroadcastJournal::Entry entry) {
  return {.id = entry.id,
          .sender_name = std::move(entry.sender_name),
          .sent_at = entry.sent_at,
          .expires_at = entry.expires_at,
          .text = std::move(entry.text),
          .via = ToVia(entry.via)};
}

}  // namespace

absl::string_view BroadcastViaName(BroadcastVia via) {
  switch (via) {
    case BroadcastVia::kUdp:
      return "udp";
    case BroadcastVia::kChannel:
      return "channel";
  }
  return "";
}

void BroadcastInbox::SetServer(const std::array<uint8_t, 32>& broadcast_key, Duration retention,
                               Duration ahead) {
  key_ = broadcast_key;
  retention_ = retention;
  ahead_ = ahead;
}

WallTime BroadcastInbox::ServerTime(WallTime wall) const {
  return wall + std::chrono::duration_cast<std::chrono::milliseconds>(ahead_);
}

BroadcastInbox::Verdict BroadcastInbox::Accept(BroadcastId id, ByteView signed_object,
                                               ByteView signature, ByteView text, BroadcastVia via,
                                               WallTime wall) {
  // The signature first: nothing unsigned may learn from the dedupe or touch the disk.
  if (!crypto::VerifySignature(key_, signed_object, signature)) return Verdict::kForged;
  const auto object = wire::BroadcastObject::Parse(signed_object);
  if (!object || object->id != id || object->text_digest != crypto::Sha256(text)) {
    return Verdict::kForged;
  }
  if (journal_.Find(id) != BroadcastJournal::State::kUnknown) return Verdict::kDuplicate;
  if (object->expires_at + JournalKeep(retention_) / 2 < ServerTime(wall)) return Verdict::kStale;
  const absl::Status status = journal_.Append({.id = id,
                                               .sender_name = object->sender_name,
                                               .sent_at = object->sent_at,
                                               .expires_at = object->expires_at,
                                               .text = ToString(text),
                                               .via = static_cast<uint8_t>(via)});
  if (!status.ok()) {
    status_ = status;
    return Verdict::kFailed;
  }
  accepted_.push_back({.id = id,
                       .sender_name = object->sender_name,
                       .sent_at = object->sent_at,
                       .expires_at = object->expires_at,
                       .text = ToString(text),
                       .via = via});
  return Verdict::kNew;
}

absl::StatusOr<std::vector<BroadcastMessage>> BroadcastInbox::Commit(WallTime wall) {
  if (accepted_.empty()) return std::vector<BroadcastMessage>{};
  if (const absl::Status status = journal_.Sync(); !status.ok()) {
    status_ = status;
    accepted_.clear();  // Not acknowledged, not shown: the next start finds out what is on disk.
    return status;
  }
  // Compaction is housekeeping: its failure shows at the next Append.
  (void)journal_.Compact(ServerTime(wall), JournalKeep(retention_));
  return std::exchange(accepted_, {});
}

std::optional<BroadcastVia> BroadcastInbox::Via(BroadcastId id) const {
  const auto via = journal_.Via(id);
  if (!via) return std::nullopt;
  return ToVia(*via);
}

std::optional<BroadcastMessage> BroadcastInbox::TakeBack(BroadcastId id, WallTime wall) {
  std::erase_if(accepted_, [&](const BroadcastMessage& message) { return message.id == id; });
  // It was sent before now, so it ends before this.
  const auto life = std::chrono::duration_cast<WallTime::duration>(retention_);
  auto seen = journal_.TakeBack(id, ServerTime(wall) + life);
  (void)journal_.Compact(ServerTime(wall), JournalKeep(retention_));  // As above.
  if (!seen) return std::nullopt;
  return ToMessage(*std::move(seen));
}

std::vector<BroadcastMessage> BroadcastInbox::TakeUnshown() {
  std::vector<BroadcastMessage> out;
  for (BroadcastJournal::Entry& entry : journal_.TakeUnshown()) {
    out.push_back(ToMessage(std::move(entry)));
    out.back().replayed = true;
  }
  return out;
}

}  // namespace p2p::client
