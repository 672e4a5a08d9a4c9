#include "peer-client/chat/durable.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/log.h"

namespace p2p::client {

absl::StatusOr<MessageId> SendDurably(ChatJournal& journal, Conversation& conversation,
                                      MessageId id, absl::string_view text, WallTime now) {
  P2P_RETURN_IF_ERROR(conversation.CheckRoom(text));
  OutgoingMessage message = conversation.Compose(id, text, now);
  P2P_RETURN_IF_ERROR(journal.AppendOutgoing(message));
  P2P_RETURN_IF_ERROR(journal.Sync());
  conversation.Queue(std::move(message));
  return id;
}

absl::Status JournalReceived(ChatJournal& journal, Conversation& conversation,
                             std::vector<SessionEvent>& events) {
  uint64_t last = 0;
  for (SessionEvent& event : events) {
    auto* received = std::get_if<SessionMessage>(&event);
    if (received == nullptr) continue;
    received->repeated = journal.history().received.Contains(received->message.id);
    P2P_RETURN_IF_ERROR(journal.AppendIncoming(received->message));
    last = received->message.seq;
  }
  if (last == 0) return absl::OkStatus();
  P2P_RETURN_IF_ERROR(journal.Sync());
  conversation.ConfirmJournalled(last);
  return absl::OkStatus();
}

std::optional<uint64_t> NoteShown(ChatJournal& journal, const MessageId& id) {
  const auto& unshown = journal.history().unshown;
  const auto it = std::ranges::find(unshown, id, &IncomingMessage::id);
  if (it == unshown.end()) return std::nullopt;
  const uint64_t seq = it->seq;
  const absl::Status marked = journal.AppendShown(seq);
  if (!marked.ok()) LogWarning("chat_journal_failed", {{"error", marked.message()}});
  return seq;
}

}  // namespace p2p::client
