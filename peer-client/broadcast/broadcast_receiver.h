// Broadcasts as the client sees them: sealed datagrams from the relay, or the same messages over
// the channel; verified, journalled, acknowledged, and shown exactly once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/random.h"
#include "common/base/secret.h"
#include "common/config/timing.h"
#include "common/net/address.h"
#include "peer-client/app/broadcast_via.h"

namespace asio {
class io_context;
}

namespace p2p::client {

absl::string_view BroadcastViaName(BroadcastVia via);  // "udp", "channel": the words of --jsonl.

// Verified and durable. Texts are untrusted: render them.
struct BroadcastMessage {
  BroadcastId id;
  std::string sender_name;  // Empty: anonymous.
  WallTime sent_at;
  WallTime expires_at;
  std::string text;
  BroadcastVia via = BroadcastVia::kUdp;
  bool replayed = false;  // Journalled by an earlier run that did not mark it shown.
};

enum class UdpState {
  kOff,          // Not attached, or the server has no relay.
  kRegistering,  // Trying.
  kWorking,
  kUnusable,  // Three registrations failed; the channel carries broadcasts; tried again now and
              // then.
};

// Called on the receiver's io_context thread; may call back into the receiver.
class BroadcastListener {
 public:
  virtual ~BroadcastListener() = default;
  // To be shown now; call MarkShown(id) when it was written out.
  virtual void OnBroadcast(const BroadcastMessage& message) = 0;
  virtual void OnUdpState(UdpState state) = 0;
  // The journal cannot be written: nothing is acknowledged any more until the program restarts.
  virtual void OnJournalFailed(const absl::Status& status) = 0;
};

// From `Attached`, or from RelayRestarted with the other fields kept.
struct AttachInfo {
  ConnId conn_id;
  Secret<32> psk;
  std::optional<net::SocketAddress> relay;  // nullopt: no relay, everything comes over the channel.
  std::array<uint8_t, 32> broadcast_public_key{};  // Pinned at first log-in.
  Duration retention = 30min;
  WallTime server_time;  // Attached.server_time; ages are judged by the server's clock, not ours.
};

// Lives on one io_context thread, the only one that may call it. Blocks that thread for one fsync
// per batch of messages. The destructor closes the socket and cancels what is pending.
class BroadcastReceiver {
 public:
  struct Options {
    // Append-only file of one account on one server; created 0600 when absent. The caller holds the
    // data directory's lock.
    std::string journal_path;
    config::Timing timing;
  };
  // `io`, `clock`, `random` and `listener` outlive the receiver. Fails when the journal cannot be
  // read or made.
  static absl::StatusOr<std::unique_ptr<BroadcastReceiver>> Create(Options options,
                                                                   asio::io_context& io,
                                                                   const Clock& clock,
                                                                   Random& random,
                                                                   BroadcastListener& listener);
  virtual ~BroadcastReceiver() = default;

  // Emits what an earlier run journalled and did not mark shown (replayed = true). Once, before
  // Attach.
  virtual void EmitUnshown() = 0;
  // Starts (or restarts, with new keys) the datagram session.
  virtual void Attach(AttachInfo info) = 0;
  // Ends it; the journal stays usable.
  virtual void Detach() = 0;
  // A BroadcastDelivery of the channel. OK: it is on disk (now, or since an earlier arrival): send
  // BroadcastAck. Else: do not. A new message is given to the listener before this returns.
  // FailedPrecondition when not attached (no key to check with), InvalidArgument for a bad
  // signature or malformed object, Unavailable when the journal failed.
  virtual absl::Status OnChannelBroadcast(BroadcastId id, ByteView signed_object,
                                          ByteView signature, absl::string_view text) = 0;
  // By which way it came; nullopt: it is not known (any more).
  virtual std::optional<BroadcastVia> Via(BroadcastId id) const = 0;
  // Taken back: it is never shown from here on, should it still arrive. What was shown is returned,
  // the first time, with the beginning of its text. True in `has`: it is on disk here, so that
  // BroadcastAck is to be sent; else it is never acknowledged.
  virtual std::optional<BroadcastMessage> TakeBack(BroadcastId id, bool& has) = 0;
  // The line left the program. Not fsynced: after a crash it may be emitted once more, as replayed.
  virtual void MarkShown(BroadcastId id) = 0;
};

}  // namespace p2p::client
