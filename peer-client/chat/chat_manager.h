// Direct conversations: everything between an introduction and chat text on the screen. Owns the
// chat port, the link records, the conversations and their connections. Needs no server once the
// introduction is there.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/config/timing.h"
#include "common/crypto/sign.h"
#include "common/wire/introduction.h"
#include "peer-client/chat/file_lane.h"
#include "peer-client/state/chat_journal.h"

namespace p2p::client {

enum class ReceiptState {
  kQueued,     // In the durable outbox; follows every successful Send, once.
  kDelivered,  // The peer has journalled it.
  kRead,       // The peer's user has seen it.
};
absl::string_view ReceiptStateName(ReceiptState state);  // "queued", "delivered", "read".

struct ChatOpened {
  std::string peer;       // Username as spelled in the introduction.
  std::string path;       // "dialled 10.0.0.7:4400", for people.
  bool reopened = false;  // Not the first connection of this link.
  std::string identity;   // State of the peer's key, as in PeerIdentity.
};

struct ChatReceived {
  std::string peer;
  MessageId id;
  std::string text;  // Untrusted: render before showing.
  WallTime sent_at;  // By the peer's clock.
  bool replayed = false;
};

struct ChatReceipt {
  std::string peer;
  MessageId id;
  ReceiptState state;
};

struct ChatClosed {
  std::string peer;
  std::string reason;    // For people; may hold untrusted text: render before showing.
  bool for_good = true;  // False: the link lives on and is dialled or waited for again.
};

// What is known of a peer's device key.
struct PeerIdentity {
  std::string peer;
  // "unverified"; "verified"; "new-person": somebody else had the name before; "changed": refused
  // until Trust.
  std::string state;
  std::string safety_number;  // 60 digits; with a changed key, of that one.
};

// How a conversation is carried, or why it is not.
struct PathInfo {
  std::string peer;
  bool open = false;
  std::string path;                // "dialled 10.0.0.7:4400"; empty unless open.
  std::optional<Duration> rtt;     // Of the open connection, once measured.
  uint16_t chat_port = 0;          // Ours, at which the peer can dial.
  std::vector<std::string> tried;  // Each address: "10.0.0.7:4400: Connection refused".
};

struct DialFailed {
  std::string peer;
  std::vector<std::string>
      reasons;  // "10.0.0.7:4400: Connection refused", the last of each address.
};

// All called on the io_context's thread, never from inside a call of ChatManager, so a callback may
// call the manager. Order per peer is the order of things. None is called after the destructor. All
// must be set.
struct ChatCallbacks {
  std::function<void(const ChatOpened&)> on_open;
  // Exactly once per message and data directory: it is journalled (fsync) by now. Answer with
  // MarkShown when the line left the program.
  std::function<void(const ChatReceived&)> on_message;
  std::function<void(const ChatReceipt&)> on_receipt;
  std::function<void(const ChatClosed&)> on_closed;
  std::function<void(const DialFailed&)> on_dial_failed;
};

struct ChatOptions {
  std::string state_dir;               // Ours alone, made when absent (0700), locked by the caller.
  uint16_t port = wire::kDefaultPort;  // Preferred chat port. 0: any free one.
  bool send_read_receipts = true;
  bool loopback_only = false;     // Listen on 127.0.0.1 only. For tests.
  FileExchange* files = nullptr;  // Outlives the manager; null: no files.
};

// Single-threaded: construct, use and destroy on the thread that runs `io`. The collaborators
// outlive it and the last run of `io`. File operations block for an fsync.
class ChatManager {
 public:
  // Loads link records and journals from `options.state_dir`; drops those whose approval ended once
  // everything received has been shown.
  static absl::StatusOr<std::unique_ptr<ChatManager>> Create(
      asio::io_context& io, const crypto::SigningKey& device_key, const config::Timing& timing,
      const Clock& clock, Random& random, ChatOptions options, ChatCallbacks callbacks);
  ~ChatManager();

  // Opens the chat port: the remembered one, else the preferred one, else the next free above it,
  // else any; remembers which. The port for Login's chat_endpoint and for candidates.
  absl::StatusOr<uint16_t> Listen();
  uint16_t ChatPort() const;  // 0 before Listen.

  // A fresh nonce for RequestPeer or Approve. The manager remembers it (the newest 256) and accepts
  // one introduction for it. The conversation that comes of it is hung up after `limit`; zero: it
  // ends with the approval.
  wire::IntroNonce MakeNonce(Duration limit = {});

  // An Introduction event of the channel: checks the introducer's signature, that one party is us
  // by name, device key and a nonce we made; writes the link record (fsync) and starts connecting.
  // OK means: send IntroductionAck. The same introduction again is OK and changes nothing.
  // InvalidArgument or FailedPrecondition: it is not for us or is altered; do not acknowledge.
  // FailedPrecondition too when the peer's key is not the one of before: the message explains it,
  // and a repeat is only acknowledged.
  // Other codes: the disk; the server sends it again at the next attach.
  absl::Status OnIntroduction(ByteView signed_object, ByteView signature,
                              ByteView introducer_public_key, absl::string_view my_username);

  // Queues text for a peer with a live link, connected or not; durable when it returns. Receipts
  // follow. FailedPrecondition: no conversation with this peer. ResourceExhausted: 1,000 messages
  // or 4 MiB wait already. InvalidArgument: empty, longer than 16 KiB or not UTF-8.
  absl::StatusOr<MessageId> Send(absl::string_view peer, absl::string_view text);

  // The message has been shown: it is never replayed, and the peer may hear that it was read.
  void MarkShown(absl::string_view peer, MessageId id);

  // The files of this peer have a frame to send.
  void Wake(absl::string_view peer);

  // Where the server sees this peer now. Without a connection the peer is dialled there as well, by
  // the same rules as the address of the introduction. Nothing for somebody without a conversation.
  void SetFound(absl::string_view peer, const net::IpAddress& ip);

  // Ends the conversation; a new one needs a new approval. The peer is told when it is connected,
  // or when it next is. NotFound: no conversation with this peer. Other codes: the disk; it is
  // over, and comes back with the next start unless the peer has heard of it.
  absl::Status HangUp(absl::string_view peer);

  // NotFound: never introduced. Identity: the user compares the number that it gives.
  // MarkVerified: the user has. Trust: a changed key is taken; FailedPrecondition without one, and
  // when it is another one than the user was warned of or saw last.
  absl::StatusOr<PeerIdentity> Identity(absl::string_view peer);
  // The state alone, for whoever shows a name; empty: never introduced.
  std::string IdentityState(absl::string_view peer) const;
  absl::Status MarkVerified(absl::string_view peer);
  absl::Status Trust(absl::string_view peer);

  // What the peer has not confirmed, oldest first. NotFound: no conversation with this peer.
  absl::StatusOr<std::vector<OutgoingMessage>> Waiting(absl::string_view peer) const;
  // NotFound: no conversation with this peer.
  absl::StatusOr<PathInfo> Path(absl::string_view peer) const;

  // The server's check of the chat port with this challenge is answered, once, within 30 s.
  void ExpectProbe(ByteView challenge);

  // Peers with a live link, connected or not, sorted.
  std::vector<std::string> Peers() const;
  // True while a connection to the peer is open.
  bool IsOpen(absl::string_view peer) const;

 private:
  class Impl;
  explicit ChatManager(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace p2p::client
