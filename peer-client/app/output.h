// Everything the client can tell its user, as typed records. A face renders them: cli/jsonl_* as
// one JSON object a line, cli/plain_* as text. Texts in here come from servers and peers and are
// untrusted until a face has rendered them.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/time.h"

namespace p2p::client {

enum class Choice { kLogin, kSignup, kListActive, kBroadcast };
enum class RetryReason { kFull, kUnreachable, kLost, kLimited };
enum class PromptField {
  kUsername,
  kPassword,
  kConfirmPassword,
  // Plain face only:
  kTrustServer,
  kSendRequestAnyway,
  kKeepBroadcast,
  kBroadcastText,
};

namespace out {

struct Connected {
  std::vector<Choice> choices;
  std::string server_name;
  std::string greeting;
  bool resuming = false;  // A session is being taken up again: nobody is asked.
};
struct Retry {
  Duration in{};
  int attempt = 0;
  int of = 0;  // 0: goes on without end.
  RetryReason reason = RetryReason::kUnreachable;
  std::string detail;  // What was refused, in the server's or the transport's words.
};
struct SignedUp {
  std::string username;
  std::string message;
};
struct LoggedIn {
  std::string username;
  std::vector<Choice> choices;
  bool resumed = false;
};
struct LoggedOut {
  std::string username;
};
struct ActiveClient {
  std::string username;
  std::string ip_address;
};
struct Active {
  std::vector<ActiveClient> clients;
  Duration
      broadcast_life{};  // For how long the server gives a broadcast to newcomers; 0: not known.
};
struct PeerRequest {
  std::string request_id;
  std::string from;
  std::string ip_address;
  std::string reason;
  Duration expires_in{};
  bool automatic = false;  // Accepted at once: the user is on the list accept.auto.
  // What is known of that name's key, as in Identity; it is not proven yet. Empty: nothing.
  std::string identity = {};
};
struct RequestSent {
  std::string request_id;
  std::string to;
};
struct RequestOutcome {
  std::string request_id;
  std::string peer;
  std::string outcome;  // approved, denied, expired, cancelled, unavailable.
};
struct ChatOpen {
  std::string peer;
  std::string path;
  bool reopened = false;
  std::string identity;  // State of the peer's key, as in Identity.
};
// What is known of a peer's key.
struct Identity {
  std::string peer;
  std::string state;          // unverified, verified, new-person, changed.
  std::string safety_number;  // 60 digits; with a changed key, of that one.
};
// How a conversation is carried, or what came of each address.
struct Path {
  std::string peer;
  bool open = false;
  std::string path;             // "dialled 10.0.0.7:4400"; empty unless open.
  std::optional<Duration> rtt;  // Once measured.
  uint16_t chat_port = 0;       // Ours.
  std::vector<std::string> tried;
  std::string identity = {};  // As in ChatOpen.
};
// Messages that nobody has confirmed yet, oldest first.
struct Outbox {
  struct Entry {
    std::string peer;
    std::string id;
    WallTime sent_at;
    std::string text;
  };
  std::vector<Entry> entries;
};
struct Requests {
  struct Entry {
    std::string request_id;
    std::string peer;
    std::string ip_address;  // Incoming only, as is the reason.
    std::string reason;
    Duration age{};
    Duration left{};
  };
  std::vector<Entry> incoming;
  std::vector<Entry> outgoing;
};
struct Blocked {
  struct Entry {
    std::string peer;
    uint64_t ignored = 0;  // Requests, by this process.
  };
  std::vector<Entry> entries;
};
struct Chat {
  std::string peer;
  std::string id;
  std::string text;
  WallTime sent_at;
  bool replayed = false;
  std::string identity = {};  // As in ChatOpen.
};
struct Receipt {
  std::string peer;
  std::string id;
  std::string state;  // queued, delivered, read.
};
struct ChatClosed {
  std::string peer;
  std::string reason;
  bool for_good = true;  // False: no connection now; it is sought again, and what is said waits.
};
struct Broadcast {
  std::string id;
  std::string sender;  // Empty: anonymous.
  WallTime sent_at;
  WallTime expires_at;
  std::string text;
  std::string via;  // udp, channel.
  bool replayed = false;
};
// A peer offers a file.
struct FileOffer {
  std::string peer;
  std::string id;
  std::string name;
  uint64_t size = 0;
  std::string sha256;  // Hex.
  bool replayed = false;
  std::string identity = {};  // As in ChatOpen.
};
// How a file's transfer stands.
struct Transfer {
  std::string peer;
  std::string id;
  std::string name;
  bool incoming = false;
  std::string state;  // preparing, offered, waiting, running, paused, done, cancelled, failed.
  uint64_t bytes = 0;
  uint64_t size = 0;
  double rate = 0;               // Bytes a second; 0: not known.
  std::optional<Duration> left;  // At that rate.
  std::string path;              // Incoming and done: where it is.
  std::string reason;            // Cancelled or failed.
};
struct Transfers {
  std::vector<Transfer> entries;
};
// What was said, oldest first.
struct History {
  struct Entry {
    std::string kind;  // in, out, broadcast.
    std::string peer;
    std::string id;
    WallTime at;
    std::string text;
  };
  std::vector<Entry> entries;
};
struct Exported {
  std::string path;
  uint64_t lines = 0;
};
// What was shown as Broadcast was taken back.
struct BroadcastRevoked {
  std::string id;
  std::string sender;
  WallTime sent_at;
  std::string text;
};
struct BroadcastSent {
  std::string id;
  WallTime expires_at;
};
struct BroadcastStatus {
  struct Delivery {
    std::string username;
    std::string state;  // queued, udp, channel, expired.
    std::optional<WallTime> at;
  };
  std::string id;
  std::string sender;
  WallTime sent_at;
  WallTime expires_at;
  bool revoked = false;
  uint32_t due = 0;
  uint32_t delivered = 0;
  std::vector<Delivery> deliveries;
};
// How far one's own broadcast got; told to a person while it changes.
struct BroadcastProgress {
  std::string id;
  uint32_t due = 0;
  uint32_t delivered = 0;
  Duration left{};  // Until newcomers get it no more.
};
// One's own penalties that still count.
struct Penalties {
  struct Entry {
    std::string reason;
    WallTime start;
    WallTime end;  // Equal to start: no cool-down came with it.
    std::string next_step;
    uint32_t count = 0;  // How many it stands for.
  };
  std::vector<Entry> entries;
};
// What works between this client and its server: server, identity, udp, inbound, clock.
struct Doctor {
  struct Check {
    std::string check;
    bool ok = false;
    std::string detail;
  };
  std::vector<Check> checks;
};
struct Penalised {
  std::string reason;
  WallTime until;
  std::string next_step;
};
struct Error {
  std::string code;  // A gRPC code name, or one of the contract's own.
  std::string message;
  std::string fingerprint;  // Only with SERVER_IDENTITY_*.
};
struct Prompt {
  PromptField field = PromptField::kUsername;
  std::string subject;  // A fingerprint or a name, where the question needs one.
};
// The open prompt was answered or given up.
struct PromptDone {};
// Advice for a person; jsonl writes it to stderr.
struct Notice {
  std::string text;
};
struct Help {};

}  // namespace out

using Output =
    std::variant<out::Connected, out::Retry, out::SignedUp, out::LoggedIn, out::LoggedOut,
                 out::Active, out::PeerRequest, out::RequestSent, out::RequestOutcome,
                 out::ChatOpen, out::Identity, out::Path, out::Outbox, out::Requests, out::Blocked,
                 out::Chat, out::Receipt, out::ChatClosed, out::FileOffer, out::Transfer,
                 out::Transfers, out::History, out::Exported, out::Broadcast, out::BroadcastRevoked,
                 out::BroadcastSent, out::BroadcastStatus, out::BroadcastProgress, out::Penalties,
                 out::Doctor, out::Penalised, out::Error, out::Prompt, out::PromptDone, out::Notice,
                 out::Help>;

// Where the model's output goes: a face. Must not call the model back before returning.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void Show(const Output& output) = 0;
};

}  // namespace p2p::client
