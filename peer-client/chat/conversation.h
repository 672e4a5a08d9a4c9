// What is said on one link, apart from the connection that carries it: sequence numbers both ways,
// the outbox, receipts. Outlives connections and, through the journal, restarts. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/wire/peer_link_limits.h"
#include "peer-client/state/chat_journal.h"

namespace p2p::client {

// Messages of ours that reached a new state.
struct Receipt {
  MessageId id;
  uint64_t seq = 0;
  bool read = false;  // Else delivered.
  bool operator==(const Receipt&) const = default;
};

// One thread. Nothing here is durable: the caller journals first what it adds.
class Conversation {
 public:
  Conversation() = default;
  explicit Conversation(ChatHistory history);

  // InvalidArgument: the text may not be sent. ResourceExhausted: kMaxQueuedMessages or
  // kMaxQueuedBytes wait for a receipt.
  absl::Status CheckRoom(absl::string_view text) const;
  // The next outgoing message; call CheckRoom, journal it, then Queue it.
  OutgoingMessage Compose(MessageId id, absl::string_view text, WallTime now) const;
  void Queue(OutgoingMessage message);

  // A connection opened whose peer says that it holds everything up to `peer_received`. False: more
  // than we ever sent. What it holds is delivered; the rest is sent (again) in order.
  [[nodiscard]] bool StartSending(uint64_t peer_received, std::vector<Receipt>& receipts);
  // The next message that this connection has not carried yet, or null. MarkSent moves on.
  const OutgoingMessage* NextToSend() const;
  void MarkSent();
  // False: a receipt for what was not sent on this connection or known delivered before.
  [[nodiscard]] bool OnReceipt(uint64_t up_to, bool read, std::vector<Receipt>& receipts);

  enum class Incoming { kNew, kDuplicate, kGap };
  // kNew counts it as accepted; it may be receipted once it is journalled.
  Incoming Accept(uint64_t seq);
  void ConfirmJournalled(uint64_t up_to);
  uint64_t journalled() const { return journalled_; }  // Highest incoming seq that is durable.

  size_t waiting() const { return outbox_.size(); }  // Not yet delivered.

 private:
  void Deliver(uint64_t up_to, std::vector<Receipt>& receipts);

  std::deque<OutgoingMessage> outbox_;  // Undelivered, consecutive seqs.
  size_t outbox_bytes_ = 0;
  size_t sent_ = 0;                                    // Of outbox_, on this connection.
  std::deque<std::pair<uint64_t, MessageId>> unread_;  // Delivered, no read receipt; newest 1,000.
  uint64_t last_out_ = 0;
  uint64_t read_ = 0;
  uint64_t accepted_ = 0;
  uint64_t journalled_ = 0;
};

}  // namespace p2p::client
