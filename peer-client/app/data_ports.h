// What else the app model orders: conversations, broadcasts received, state on disk, the end of the
// program. Implemented in main and by fakes. No order calls the model back before it returns.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "peer-client/app/control_port.h"

namespace p2p::client {

// Direct conversations of one account.
class PeerPort {
 public:
  virtual ~PeerPort() = default;
  // Opens the account's conversations from disk and the chat port; the port is announced at attach.
  // Opening the account that is open already changes nothing.
  virtual absl::StatusOr<uint16_t> Open(const Session& session) = 0;
  // `limit`: the conversation that comes of it ends by then; zero: with the approval.
  virtual PeerOffer MakeOffer(Duration limit) = 0;
  // Checks the introduction and makes the link durable. OK: acknowledge it. Else it is not for us,
  // or altered, or the disk failed: do not.
  virtual absl::Status Introduce(const event::Introduction& introduction,
                                 const Session& session) = 0;
  // Journals the message for `peer`; its id. NotFound without a conversation.
  virtual absl::StatusOr<std::string> Send(const std::string& peer, const std::string& text) = 0;
  virtual absl::Status HangUp(const std::string& peer) = 0;
  // What is known of the peer's key. NotFound: never talked with.
  // To be shown with its number: that is the key which a later TrustKey takes.
  virtual absl::StatusOr<out::Identity> Identity(const std::string& peer) = 0;
  // A state as in out::Identity; empty: never talked with. Cheap; for whoever shows a name.
  virtual std::string IdentityState(const std::string& peer) const = 0;
  virtual absl::Status MarkVerified(const std::string& peer) = 0;
  virtual absl::Status TrustKey(const std::string& peer) = 0;
  // Some conversation has no connection now.
  virtual bool AnyWaiting() = 0;
  // Where the server sees active users now; conversations without a connection are dialled there,
  // too.
  virtual void Found(const std::vector<out::ActiveClient>& clients) = 0;
  // NotFound: no conversation with this peer.
  virtual absl::StatusOr<out::Path> Path(const std::string& peer) = 0;
  // Of one peer, or of all when it is empty.
  virtual absl::StatusOr<out::Outbox> Outbox(const std::string& peer) = 0;
  // Durable. Names without regard to case.
  virtual absl::Status SetBlocked(const std::string& name, bool blocked) = 0;
  virtual std::vector<std::string> Blocked() = 0;
  // The server is about to connect to the chat port and to show this; it is answered, once.
  virtual void ExpectProbe(const Bytes& challenge) = 0;
};

// Files of that account's conversations.
class FilePort {
 public:
  virtual ~FilePort() = default;
  // Its id; what becomes of it is shown. FailedPrecondition: no conversation with this peer.
  virtual absl::StatusOr<std::string> SendFile(const std::string& peer,
                                               const std::string& path) = 0;
  // `id` as in cmd::AcceptFile.
  virtual absl::Status AcceptFile(const std::string& id) = 0;
  virtual absl::Status CancelFile(const std::string& id) = 0;
  virtual absl::Status PauseFile(const std::string& id, bool on) = 0;
  virtual out::Transfers Files() = 0;
};

// What was said. FailedPrecondition: history is switched off.
class HistoryPort {
 public:
  virtual ~HistoryPort() = default;
  virtual absl::StatusOr<out::History> History(const std::string& peer, size_t most) = 0;
  virtual absl::StatusOr<out::History> SearchHistory(const std::string& text) = 0;
  virtual absl::StatusOr<out::Exported> ExportHistory(const std::string& path) = 0;
};

// Whether broadcasts can come over UDP.
enum class UdpPath { kTrying, kWorks, kBlocked, kNone };

// Broadcasts, over UDP and the channel, for one account.
class BroadcastPort {
 public:
  virtual ~BroadcastPort() = default;
  virtual void Attach(const event::Attached& attached, const Session& session) = 0;
  virtual void RelayRestarted(const event::RelayRestarted& restarted) = 0;
  // Verifies and journals. OK: acknowledge it on the channel.
  virtual absl::Status OnChannelBroadcast(const event::Broadcast& broadcast) = 0;
  // Taken back: says so of what was shown, and shows it never from here on. True: it is on disk
  // here: acknowledge it on the channel, however often this comes.
  virtual bool OnRevoked(const event::BroadcastRevoked& revoked) = 0;
  // By which way it came; nullopt: that is not known.
  virtual std::optional<BroadcastVia> Via(const std::string& id) = 0;
  virtual void Detach() = 0;
  virtual UdpPath Udp() = 0;
};

// The data directory, keyed by server.
class StatePort {
 public:
  virtual ~StatePort() = default;
  // Remembers the server's key for host and port.
  virtual absl::Status TrustServer(const std::string& fingerprint) = 0;
  virtual absl::Status SaveSession(const Session& session) = 0;
  virtual absl::Status ForgetSession() = 0;
};

enum class ExitCode {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kUnreachable = 3,
  kIdentity = 4,
  kDenied = 5,
  kExpired = 6,
  // Of doctor, besides kUnreachable and kIdentity.
  kNoUdp = 10,
  kNoInbound = 11,
  kClockOff = 12,
  kConfig = 78,
};

}  // namespace p2p::client
