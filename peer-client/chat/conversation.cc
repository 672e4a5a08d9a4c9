#include "peer-client/chat/conversation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"

namespace p2p::client {

Conversation::Conversation(ChatHistory history)
    : last_out_(history.last_out),
      read_(history.read_up_to),
      accepted_(history.last_in),
      journalled_(history.last_in) {
  for (auto& message : history.undelivered) {
    outbox_bytes_ += message.text.size();
    outbox_.push_back(std::move(message));
  }
  for (const auto& unread : history.unread) unread_.push_back(unread);
}

absl::Status Conversation::CheckRoom(absl::string_view text) const {
  if (text.empty()) return absl::InvalidArgumentError("the message is empty");
  if (text.size() > wire::kMaxChatText) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the message has ", text.size(), " bytes; at most ", wire::kMaxChatText, " fit in one"));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("the message is not valid UTF-8");
  if (outbox_.size() >= wire::kMaxQueuedMessages ||
      outbox_bytes_ + text.size() > wire::kMaxQueuedBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        outbox_.size(), " messages wait for this peer already; it has to take some first"));
  }
  return absl::OkStatus();
}

OutgoingMessage Conversation::Compose(MessageId id, absl::string_view text, WallTime now) const {
  return {.id = id, .seq = last_out_ + 1, .text = std::string(text), .sent_at = now};
}

void Conversation::Queue(OutgoingMessage message) {
  P2P_CHECK(message.seq == last_out_ + 1);
  last_out_ = message.seq;
  outbox_bytes_ += message.text.size();
  outbox_.push_back(std::move(message));
}

void Conversation::Deliver(uint64_t up_to, std::vector<Receipt>& receipts) {
  while (!outbox_.empty() && outbox_.front().seq <= up_to) {
    const OutgoingMessage& message = outbox_.front();
    receipts.push_back({.id = message.id, .seq = message.seq, .read = false});
    unread_.emplace_back(message.seq, message.id);
    if (unread_.size() > wire::kMaxQueuedMessages) unread_.pop_front();
    outbox_bytes_ -= message.text.size();
    outbox_.pop_front();
    if (sent_ > 0) --sent_;
  }
}

bool Conversation::StartSending(uint64_t peer_received, std::vector<Receipt>& receipts) {
  if (peer_received > last_out_) return false;
  Deliver(peer_received, receipts);
  sent_ = 0;
  return true;
}

const OutgoingMessage* Conversation::NextToSend() const {
  return sent_ < outbox_.size() ? &outbox_[sent_] : nullptr;
}

void Conversation::MarkSent() {
  P2P_CHECK(sent_ < outbox_.size());
  ++sent_;
}

bool Conversation::OnReceipt(uint64_t up_to, bool read, std::vector<Receipt>& receipts) {
  const uint64_t highest_sent = last_out_ - (outbox_.size() - sent_);
  if (up_to > highest_sent) return false;
  Deliver(up_to, receipts);
  if (!read) return true;
  while (!unread_.empty() && unread_.front().first <= up_to) {
    receipts.push_back({.id = unread_.front().second, .seq = unread_.front().first, .read = true});
    unread_.pop_front();
  }
  read_ = std::max(read_, up_to);
  return true;
}

Conversation::Incoming Conversation::Accept(uint64_t seq) {
  if (seq <= accepted_) return Incoming::kDuplicate;
  if (seq != accepted_ + 1) return Incoming::kGap;
  accepted_ = seq;
  return Incoming::kNew;
}

void Conversation::ConfirmJournalled(uint64_t up_to) {
  P2P_CHECK(up_to <= accepted_);
  journalled_ = std::max(journalled_, up_to);
}

}  // namespace p2p::client
