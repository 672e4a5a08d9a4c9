// What makes a conversation durable: its journal is written before anything counts as said or
// heard. The same steps run in the client and in the simulator.
#pragma once

#include <vector>

#include "peer-client/chat/chat_session.h"
#include "peer-client/state/chat_journal.h"

namespace p2p::client {

// Journals a message and puts it into the outbox. When it fails nothing was queued; errors of
// Conversation::CheckRoom, or of the disk.
absl::StatusOr<MessageId> SendDurably(ChatJournal& journal, Conversation& conversation,
                                      MessageId id, absl::string_view text, WallTime now);

// Marks the repeated ones. One sync for all messages among `events`; only then may receipts for
// them leave. After an error what the disk holds is unknown until the next start.
absl::Status JournalReceived(ChatJournal& journal, Conversation& conversation,
                             std::vector<SessionEvent>& events);

// The message was shown: it is never replayed. Its seq; nullopt: it is not waiting to be shown.
std::optional<uint64_t> NoteShown(ChatJournal& journal, const MessageId& id);

}  // namespace p2p::client
