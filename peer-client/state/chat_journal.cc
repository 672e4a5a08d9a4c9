#include "peer-client/state/chat_journal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kChatMagic = "p2pchat1";
constexpr size_t kCompactAt = 16 * 1024 * 1024;
constexpr size_t kMaxUnread = 1000;  // Older ones never learn that they were read.

// kind u8, then
//   kOutgoing, kIncoming   seq u64  id 16  sent_at u64  text
//   kDelivered, kRead      up_to u64   the peer has, or has read, our messages
//   kShown                 up_to u64   we have shown the peer's
//   kPositions             last_out delivered read last_in shown, u64 each   of a compacted file
//   kUnread                seq u64  id 16   delivered before the file was compacted
//   kReceived              id 16, repeated   of messages whose text is not here (any more)
enum class Kind : uint8_t {
  kOutgoing = 1,
  kIncoming = 2,
  kDelivered = 3,
  kRead = 4,
  kShown = 5,
  kPositions = 6,
  kUnread = 7,
  kReceived = 8,
};

template <class Message>
Bytes Encode(Kind kind, const Message& message) {
  ByteWriter out;
  out.U8(static_cast<uint8_t>(kind)).U64(message.seq).Append(message.id.view());
  out.U64(static_cast<uint64_t>(ToMs(message.sent_at))).Append(message.text);
  return out.Release();
}

template <class Message>
Message Decode(ByteReader& in) {
  Message message;
  message.seq = in.U64();
  message.id.bytes = in.Array<MessageId::kSize>();
  message.sent_at = WallFromMs(static_cast<int64_t>(in.U64()));
  message.text = ToString(in.Rest());
  return message;
}

Bytes EncodePosition(Kind kind, uint64_t up_to) {
  return ByteWriter().U8(static_cast<uint8_t>(kind)).U64(up_to).Release();
}

Bytes EncodeReceived(const std::vector<MessageId>& ids) {
  ByteWriter out;
  out.U8(static_cast<uint8_t>(Kind::kReceived));
  for (const MessageId& id : ids) out.Append(id.view());
  return out.Release();
}

void Deliver(ChatHistory& history, uint64_t up_to) {
  const auto end =
      std::ranges::find_if(history.undelivered, [&](const auto& m) { return m.seq > up_to; });
  for (auto it = history.undelivered.begin(); it != end; ++it) {
    history.unread.emplace_back(it->seq, it->id);
  }
  history.undelivered.erase(history.undelivered.begin(), end);
  if (history.unread.size() > kMaxUnread) {
    history.unread.erase(history.unread.begin(),
                         history.unread.end() - static_cast<ptrdiff_t>(kMaxUnread));
  }
  history.delivered_up_to = std::max(history.delivered_up_to, up_to);
}

void Read(ChatHistory& history, uint64_t up_to) {
  Deliver(history, up_to);
  std::erase_if(history.unread, [&](const auto& entry) { return entry.first <= up_to; });
  history.read_up_to = std::max(history.read_up_to, up_to);
}

void Shown(ChatHistory& history, uint64_t up_to) {
  std::erase_if(history.unshown, [&](const auto& m) { return m.seq <= up_to; });
  history.shown_up_to = std::max(history.shown_up_to, up_to);
}

absl::Status Apply(ChatHistory& history, ByteView record) {
  ByteReader in(record);
  const auto kind = static_cast<Kind>(in.U8());
  switch (kind) {
    case Kind::kOutgoing:
      history.undelivered.push_back(Decode<OutgoingMessage>(in));
      history.last_out = history.undelivered.back().seq;
      break;
    case Kind::kIncoming: {
      IncomingMessage message = Decode<IncomingMessage>(in);
      history.last_in = std::max(history.last_in, message.seq);
      if (history.received.Add(message.id)) history.unshown.push_back(std::move(message));
      break;
    }
    case Kind::kDelivered:
      Deliver(history, in.U64());
      break;
    case Kind::kRead:
      Read(history, in.U64());
      break;
    case Kind::kShown:
      Shown(history, in.U64());
      break;
    case Kind::kPositions:
      history = ChatHistory{};
      history.last_out = in.U64();
      history.delivered_up_to = in.U64();
      history.read_up_to = in.U64();
      history.last_in = in.U64();
      history.shown_up_to = in.U64();
      break;
    case Kind::kReceived:
      while (in.remaining() > 0 && in.ok()) {
        history.received.Add({.bytes = in.Array<MessageId::kSize>()});
      }
      break;
    case Kind::kUnread: {
      const uint64_t seq = in.U64();
      history.unread.emplace_back(seq, MessageId{.bytes = in.Array<MessageId::kSize>()});
      break;
    }
  }
  if (!in.done()) return absl::DataLossError("a chat journal holds a record of another version");
  return absl::OkStatus();
}

}  // namespace

bool ReceivedIds::Add(const MessageId& id) {
  if (!known_.insert(id).second) return false;
  ids_.push_back(id);
  if (ids_.size() > kMost) {
    known_.erase(ids_.front());
    ids_.pop_front();
  }
  return true;
}

bool ChatHistory::Said(const MessageId& id) const {
  return std::ranges::find(undelivered, id, &OutgoingMessage::id) != undelivered.end() ||
         std::ranges::find(unread, id, &std::pair<uint64_t, MessageId>::second) != unread.end();
}

ChatJournal::ChatJournal(std::unique_ptr<RecordLog> log)
    : log_(std::move(log)), compact_at_(std::max(kCompactAt, 2 * log_->size())) {}

absl::StatusOr<std::unique_ptr<ChatJournal>> ChatJournal::Open(LogStorage& storage,
                                                               const std::string& path) {
  ChatHistory history;
  P2P_ASSIGN_OR_RETURN(auto log, RecordLog::Open(storage, path, kChatMagic, [&](ByteView record) {
                         return Apply(history, record);
                       }));
  std::unique_ptr<ChatJournal> journal(new ChatJournal(std::move(log)));
  journal->history_ = std::move(history);
  // What was read may still be in the cache only: the tail of a process that was killed. The peer
  // is told that it is durable.
  if (journal->log_->size() > RecordLog::kMagicSize) P2P_RETURN_IF_ERROR(journal->Compact());
  return journal;
}

absl::Status ChatJournal::Append(const Bytes& record) {
  P2P_RETURN_IF_ERROR(log_->Append(record));
  return Apply(history_, record);
}

absl::Status ChatJournal::Defer(const Bytes& record) {
  P2P_RETURN_IF_ERROR(log_->Defer(record));
  return Apply(history_, record);
}

absl::Status ChatJournal::AppendOutgoing(const OutgoingMessage& message) {
  // A record that could not be synced was counted, and the message that it held was refused.
  P2P_RETURN_IF_ERROR(log_->failure());
  P2P_CHECK(message.seq == history_.last_out + 1);
  return Append(Encode(Kind::kOutgoing, message));
}

absl::Status ChatJournal::AppendIncoming(const IncomingMessage& message) {
  P2P_RETURN_IF_ERROR(log_->failure());
  if (message.seq != history_.last_in + 1) {
    return absl::DataLossError(absl::StrCat("message ", message.seq, " does not follow message ",
                                            history_.last_in, " of the chat journal"));
  }
  return Append(Encode(Kind::kIncoming, message));
}

absl::Status ChatJournal::AppendReceived(const std::deque<MessageId>& ids) {
  std::vector<MessageId> unknown;
  std::ranges::copy_if(ids, std::back_inserter(unknown),
                       [&](const MessageId& id) { return !history_.received.Contains(id); });
  return unknown.empty() ? absl::OkStatus() : Defer(EncodeReceived(unknown));
}

absl::Status ChatJournal::AppendReceipt(uint64_t up_to, bool read) {
  P2P_CHECK(up_to <= history_.last_out);
  if (up_to <= (read ? history_.read_up_to : history_.delivered_up_to)) return absl::OkStatus();
  return Defer(EncodePosition(read ? Kind::kRead : Kind::kDelivered, up_to));
}

absl::Status ChatJournal::AppendShown(uint64_t up_to) {
  P2P_CHECK(up_to <= history_.last_in);
  if (up_to <= history_.shown_up_to) return absl::OkStatus();
  return Defer(EncodePosition(Kind::kShown, up_to));
}

absl::Status ChatJournal::Sync() {
  P2P_RETURN_IF_ERROR(log_->Sync());
  if (log_->size() < compact_at_) return absl::OkStatus();
  // What was synced is said; the next message is refused when the log has failed.
  const absl::Status compacted = Compact();
  if (!compacted.ok()) LogWarning("chat_journal_failed", {{"error", compacted.message()}});
  return absl::OkStatus();
}

absl::Status ChatJournal::Compact() {
  std::vector<Bytes> records;
  const ChatHistory& h = history_;
  records.push_back(ByteWriter()
                        .U8(static_cast<uint8_t>(Kind::kPositions))
                        .U64(h.last_out)
                        .U64(h.delivered_up_to)
                        .U64(h.read_up_to)
                        .U64(h.last_in)
                        .U64(h.shown_up_to)
                        .Release());
  // The ids of those that wait to be shown come with them.
  std::vector<MessageId> received;
  absl::flat_hash_set<MessageId> waiting;
  for (const auto& message : h.unshown) waiting.insert(message.id);
  std::ranges::copy_if(h.received.ids(), std::back_inserter(received),
                       [&](const MessageId& id) { return !waiting.contains(id); });
  if (!received.empty()) records.push_back(EncodeReceived(received));
  for (const auto& [seq, id] : h.unread) {
    records.push_back(
        ByteWriter().U8(static_cast<uint8_t>(Kind::kUnread)).U64(seq).Append(id.view()).Release());
  }
  for (const auto& message : h.undelivered) records.push_back(Encode(Kind::kOutgoing, message));
  for (const auto& message : h.unshown) records.push_back(Encode(Kind::kIncoming, message));
  P2P_RETURN_IF_ERROR(log_->Rewrite(records));
  compact_at_ = std::max(kCompactAt, 2 * log_->size());
  return absl::OkStatus();
}

}  // namespace p2p::client
