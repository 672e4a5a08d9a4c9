// The durable side of one conversation: outbox, received messages, how far each way is settled.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/wire/peer_link_limits.h"
#include "peer-client/state/record_log.h"

namespace p2p::client {

struct OutgoingMessage {
  MessageId id;
  uint64_t seq = 0;
  std::string text;
  WallTime sent_at;
  bool operator==(const OutgoingMessage&) const = default;
};

struct IncomingMessage {
  MessageId id;
  uint64_t seq = 0;
  std::string text;
  WallTime sent_at;  // By the peer's clock.
  bool operator==(const IncomingMessage&) const = default;
};

// The newest ids of received messages. As many as a sender holds unconfirmed, so whatever it sends
// once more is among them.
class ReceivedIds {
 public:
  // False: it is known.
  bool Add(const MessageId& id);
  bool Contains(const MessageId& id) const { return known_.contains(id); }
  const std::deque<MessageId>& ids() const { return ids_; }  // Oldest first.

 private:
  static constexpr size_t kMost = wire::kMaxQueuedMessages;
  std::deque<MessageId> ids_;
  absl::flat_hash_set<MessageId> known_;
};

// What a journal says at a restart.
struct ChatHistory {
  uint64_t last_out = 0;  // Highest outgoing seq ever used.
  uint64_t delivered_up_to = 0;
  uint64_t read_up_to = 0;                             // By the peer.
  uint64_t last_in = 0;                                // Highest incoming seq journalled.
  uint64_t shown_up_to = 0;                            // Highest incoming seq shown.
  std::vector<OutgoingMessage> undelivered;            // In order.
  std::vector<std::pair<uint64_t, MessageId>> unread;  // Delivered, not known to be read.
  std::vector<IncomingMessage> unshown;                // In order: replay them first.
  ReceivedIds received;  // Also in the conversation that this one took the place of.

  // Whether such a message of ours is here, unless the peer has read it.
  bool Said(const MessageId& id) const;
};

// One thread. Blocks for the disk in Sync. After an error nothing more is accepted (RecordLog).
class ChatJournal {
 public:
  // What it has read is durable.
  static absl::StatusOr<std::unique_ptr<ChatJournal>> Open(LogStorage& storage,
                                                           const std::string& path);
  const ChatHistory& history() const { return history_; }

  // Durable after Sync.
  absl::Status AppendOutgoing(const OutgoingMessage& message);
  // With an id that was received before it only counts: it was shown, or will be.
  absl::Status AppendIncoming(const IncomingMessage& message);
  // Messages with these ids were received elsewhere.
  absl::Status AppendReceived(const std::deque<MessageId>& ids);
  // Written with the next message, or by Flush. They need no Sync of their own: when they are lost,
  // a message is sent or replayed once more.
  absl::Status AppendReceipt(uint64_t up_to, bool read);
  absl::Status AppendShown(uint64_t up_to);
  bool deferred() const { return log_->deferred(); }
  absl::Status Flush() { return log_->Flush(); }

  // Also compacts when the file is much larger than what it still has to say.
  absl::Status Sync();

 private:
  explicit ChatJournal(std::unique_ptr<RecordLog> log);
  absl::Status Append(const Bytes& record);
  absl::Status Defer(const Bytes& record);
  absl::Status Compact();

  ChatHistory history_;
  std::unique_ptr<RecordLog> log_;
  size_t compact_at_;
};

}  // namespace p2p::client
