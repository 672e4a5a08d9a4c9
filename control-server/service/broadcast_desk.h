// The server's desk for announcements: takes them in, makes them durable, and carries out what
// Delivery decides, by the relay and by the channels. One thread, the hub's, except where a method
// says otherwise.
//
// Life of a broadcast: Publish (any thread) → limits, signature (hub) → row in the store, fsync →
// OK for the sender, relay, due rows (hub) → acknowledgements → expiry at the absolute time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/config/timing.h"
#include "common/crypto/sign.h"
#include "common/relay/relay_port.h"
#include "control-server/domain/delivery.h"
#include "control-server/service/attachment.h"
#include "control-server/service/broadcast_report.h"
#include "control-server/service/ledger_writer.h"
#include "control-server/store/store_queue.h"
#include "grpcpp/support/status.h"

namespace p2p::server {

// A validated request.
struct Announcement {
  UserId sender;
  std::string sender_name;
  std::string text;  // 1 to kMaxBroadcastText bytes of UTF-8.
  std::string idempotency_key;
  Duration ttl = 30min;  // 1 ms to 30 min, whole milliseconds.
  bool omit_sender = false;
};

struct Published {
  BroadcastId id;
  WallTime sent_at;
  WallTime expires_at;
};

// Bounds of what is kept in memory for broadcasts that are live. One that is taken back keeps its
// place, but not its bytes, until its own end: so long somebody is to be told.
struct BroadcastLimits {
  size_t live = 4096;
  size_t live_per_sender = 1024;
  size_t live_bytes = 128 << 20;
  size_t in_flight = 256;  // Accepted and not yet durable.
  // Of the ledger, waiting for the disk; each broadcast makes one for everybody attached, and
  // another when he has it. Whatever is live is written however long that takes: what waits is
  // bounded by taking in nothing new. Some 60 bytes each.
  size_t ledger_rows = 500'000;
};

class BroadcastDesk final : public AttachmentListener, public relay::RelayEvents {
 public:
  using Done = absl::AnyInvocable<void(const grpc::Status&, const Published&)>;

  // All outlive the desk, and the hub runs no handler after its destruction. `relay` is null when
  // there is none. `random` is thread-safe or used by the hub thread only.
  BroadcastDesk(asio::io_context& hub, StoreQueue& store, relay::RelayPort* relay,
                const crypto::SigningKey& broadcast_key, const Clock& clock, Random& random,
                const config::Timing& timing, BroadcastLimits limits = {});

  // Loads the broadcasts whose end has not come, those taken back among them, and their ledger.
  // Blocks on the store; before the hub thread runs.
  absl::Status Restore();

  // Any thread. `done` is called on the hub thread: OK once the broadcast is durable.
  // RESOURCE_EXHAUSTED (RetryInfo) at a limit or on a full disk, ALREADY_EXISTS when the key was
  // used with another content; the same content gets the first answer again.
  void Publish(Announcement announcement, Done done);

  // Any thread. Takes a broadcast back for its sender or an admin: durable, out of the relay and of
  // every queue when `done` is called on the hub thread with what the store knows of it; NotFound
  // as ReportBroadcast says. Taking back twice, or after the expiry, is OK.
  using Revoked = absl::AnyInvocable<void(absl::StatusOr<v1::GetBroadcastResponse>)>;
  void Revoke(BroadcastId id, ReportViewer viewer, WallTime now, Revoked done);

  // Any thread. For who has marked the broadcast in the store as taken back without Revoke: `then`
  // runs on the hub thread once it is out of the relay and of every queue.
  void Withdraw(BroadcastId id, absl::AnyInvocable<void()> then);

  // Any thread. `then` runs on the hub thread after everything known about deliveries was handed to
  // the store queue: what it reads there is up to date.
  void Flush(absl::AnyInvocable<void()> then);

  // Cancels the timer and hands the ledger to the store queue. Nothing is accepted any more.
  void Stop();

  // AttachmentListener.
  void OnAttached(const Attachment& attachment) override;
  void OnDetached(UserId user, ConnId conn) override;
  void OnBroadcastAck(UserId user, ConnId conn, BroadcastId broadcast, DeliveryVia shown) override;

  // relay::RelayEvents, through HubRelayEvents.
  void OnDelivered(ConnId session, BroadcastId broadcast) override;
  void OnReachable(ConnId session, bool reachable) override;
  void OnRelayRestarted() override;

  // What is due by the clock, done now; the desk's own timer calls it too.
  void Tick();

  const Delivery& delivery() const { return delivery_; }
  const LedgerWriter& ledger() const { return ledger_; }

 private:
  struct Live {
    relay::SignedBroadcastPtr signed_broadcast;  // Null: it was taken back.
    UserId sender;
    MonoTime expires;
    std::shared_ptr<const v1::ServerEvent> event;  // Made when a channel first needs it.
  };
  // What the store has for a request: a new row, or that of the first try with the key.
  struct Stored {
    BroadcastRecord record;
    bool is_new = false;
  };

  void Accept(Announcement announcement, const std::array<uint8_t, 32>& digest, Done done);
  // Why there is no room, and when to try again.
  struct Refusal {
    const char* why;
    Duration retry;
    grpc::Status status() const;
  };
  std::optional<Refusal> WhyNot(const Announcement& announcement) const;
  BroadcastRecord MakeRecord(Announcement announcement, const std::array<uint8_t, 32>& digest);
  void OnStored(const absl::StatusOr<Stored>& stored, const std::array<uint8_t, 32>& digest,
                MonoTime expires, Done done);
  void Adopt(const BroadcastRecord& record, MonoTime expires);
  void OnRevoked(BroadcastId id);
  void CarryOut(DeliveryOrders orders);
  void PushOnChannel(ConnId conn, BroadcastId id);
  // `to` is about one broadcast.
  void TellTakenBack(const std::vector<DeliveryOrders::Send>& to);
  void TakeFromRelay(BroadcastId id);
  void Forget(BroadcastId id);
  void Rearm();

  asio::io_context& hub_;
  StoreQueue& store_;
  relay::RelayPort* const relay_;
  const crypto::SigningKey& key_;
  const Clock& clock_;
  Random& random_;
  const config::Timing& timing_;
  const BroadcastLimits limits_;

  Delivery delivery_;
  LedgerWriter ledger_;
  asio::steady_timer timer_;
  std::optional<MonoTime> armed_for_;
  bool stopped_ = false;
  size_t in_flight_ = 0;
  size_t live_bytes_ = 0;
  absl::flat_hash_map<BroadcastId, Live> live_;
  absl::flat_hash_map<UserId, size_t> live_of_sender_;
  absl::flat_hash_map<ConnId, std::shared_ptr<ChannelSink>> channels_;
};

}  // namespace p2p::server
