#include "control-server/service/broadcast_desk.h"

#include <algorithm>
#include <future>
#include <iterator>

#include "asio/post.hpp"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/crypto/hash.h"
#include "common/wire/broadcast_object.h"
#include "common/wire/limits.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

// Tells a retry from another request under the same key.
std::array<uint8_t, 32> ContentDigest(const Announcement& announcement) {
  ByteWriter out;
  out.Append("p2p-bcast-content-v1").U64(static_cast<uint64_t>(announcement.ttl.count()));
  out.U8(announcement.omit_sender ? 1 : 0).Append(announcement.text);
  return crypto::Sha256(out.bytes());
}

// The longest life of a broadcast: whatever has not ended was sent since then.
constexpr auto kLongest = std::chrono::seconds(wire::kMaxBroadcastTtlSeconds);
// Looked through for those taken back at the start.
constexpr size_t kMaxLookedThrough = 100'000;

std::shared_ptr<const v1::ServerEvent> MakeEvent(const relay::SignedBroadcast& broadcast) {
  auto event = std::make_shared<v1::ServerEvent>();
  auto& delivery = *event->mutable_broadcast();
  delivery.set_broadcast_id(broadcast.id.Hex());
  delivery.set_signed_object(ToString(broadcast.signed_object));
  delivery.set_signature(ToString(broadcast.signature));
  delivery.set_text(broadcast.text);
  return event;
}

}  // namespace

BroadcastDesk::BroadcastDesk(asio::io_context& hub, StoreQueue& store, relay::RelayPort* relay,
                             const crypto::SigningKey& broadcast_key, const Clock& clock,
                             Random& random, const config::Timing& timing, BroadcastLimits limits)
    : hub_(hub),
      store_(store),
      relay_(relay),
      key_(broadcast_key),
      clock_(clock),
      random_(random),
      timing_(timing),
      limits_(limits),
      delivery_({.channel_fallback = timing.channel_fallback, .has_relay = relay != nullptr}),
      ledger_(hub, store),
      timer_(hub) {}

// ---- Start and end ------------------------------------------------------------------------------

absl::Status BroadcastDesk::Restore() {
  struct Saved {
    BroadcastRecord record;
    std::vector<DeliveryRecord> rows;
  };
  using Loaded = absl::StatusOr<std::vector<Saved>>;
  const WallTime wall = clock_.Wall();
  std::promise<Loaded> promise;
  store_.Read(
      [wall](Store& store) -> Loaded {
        std::vector<Saved> out;
        P2P_ASSIGN_OR_RETURN(auto records, store.ListLiveBroadcasts(wall));
        P2P_ASSIGN_OR_RETURN(const auto recent, store.ListBroadcasts(std::nullopt, wall - kLongest,
                                                                     kMaxLookedThrough));
        std::copy_if(recent.begin(), recent.end(), std::back_inserter(records),
                     [wall](const auto& r) { return r.revoked && wall < r.expires_at; });
        for (BroadcastRecord& record : records) {
          P2P_ASSIGN_OR_RETURN(auto rows, store.ListDeliveries(record.id));
          out.push_back({std::move(record), std::move(rows)});
        }
        return out;
      },
      [&promise](Loaded loaded) { promise.set_value(std::move(loaded)); });
  P2P_ASSIGN_OR_RETURN(const std::vector<Saved> all, promise.get_future().get());
  const MonoTime now = clock_.Mono();
  for (const Saved& saved : all) {
    // A wall clock that was set back must not lengthen a life beyond what it ever was.
    const Duration left = std::min<Duration>(saved.record.expires_at - wall,
                                             saved.record.expires_at - saved.record.sent_at);
    const BroadcastId id = saved.record.id;
    if (saved.record.revoked) {
      ++live_of_sender_[saved.record.sender];
      live_[id] = {nullptr, saved.record.sender, now + left, nullptr};
      delivery_.RestoreTakenBack(id, now + left, saved.rows);
    } else {
      Adopt(saved.record, now + left);
      delivery_.Restore(id, now + left, saved.rows);
    }
  }
  Rearm();
  return absl::OkStatus();
}

void BroadcastDesk::Stop() {
  stopped_ = true;
  timer_.cancel();
  armed_for_.reset();
  ledger_.Flush();
}

void BroadcastDesk::Flush(absl::AnyInvocable<void()> then) {
  asio::post(hub_, [this, then = std::move(then)]() mutable {
    ledger_.Flush();
    then();
  });
}

// ---- Taking in ----------------------------------------------------------------------------------

void BroadcastDesk::Publish(Announcement announcement, Done done) {
  const auto digest = ContentDigest(announcement);
  asio::post(hub_, [this, digest, announcement = std::move(announcement),
                    done = std::move(done)]() mutable {
    Accept(std::move(announcement), digest, std::move(done));
  });
}

grpc::Status BroadcastDesk::Refusal::status() const {
  return WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED, why, retry);
}

std::optional<BroadcastDesk::Refusal> BroadcastDesk::WhyNot(
    const Announcement& announcement) const {
  const auto own = live_of_sender_.find(announcement.sender);
  if (in_flight_ >= limits_.in_flight || live_.size() + in_flight_ >= limits_.live ||
      live_bytes_ + announcement.text.size() > limits_.live_bytes ||
      (own != live_of_sender_.end() && own->second >= limits_.live_per_sender)) {
    return Refusal{"too many broadcasts are live at the moment", 10s};
  }
  // Those on their way to the disk will make their rows, too. The first is always taken: however
  // many are attached, one broadcast at a time goes.
  const size_t rows = ledger_.backlog() + in_flight_ * delivery_.attached();
  if (rows > 0 && rows + delivery_.attached() > limits_.ledger_rows) {
    return Refusal{"the ledger of deliveries is being written", 2s};
  }
  return std::nullopt;
}

BroadcastRecord BroadcastDesk::MakeRecord(Announcement announcement,
                                          const std::array<uint8_t, 32>& digest) {
  BroadcastRecord record;
  record.id = random_.NewId<BroadcastId>();
  record.sender = announcement.sender;
  record.content_digest = digest;
  record.sent_at = clock_.Wall();
  record.expires_at =
      record.sent_at + std::chrono::duration_cast<WallTime::duration>(announcement.ttl);
  record.omit_sender = announcement.omit_sender;
  wire::BroadcastObject object;
  object.id = record.id;
  if (!announcement.omit_sender) {
    object.sender = announcement.sender;
    object.sender_name = announcement.sender_name;
  }
  object.sent_at = record.sent_at;
  object.expires_at = record.expires_at;
  object.text_digest = crypto::Sha256(AsBytes(announcement.text));
  record.signed_object = object.Serialize();
  record.signature = key_.Sign(record.signed_object);
  record.text = std::move(announcement.text);
  record.idempotency_key = std::move(announcement.idempotency_key);
  return record;
}

void BroadcastDesk::Accept(Announcement announcement, const std::array<uint8_t, 32>& digest,
                           Done done) {
  if (stopped_) {
    return done(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"), {});
  }
  // Even without room a retry gets its first answer, so the store is asked whenever there is a key.
  const auto refusal = WhyNot(announcement);
  if (in_flight_ >= limits_.in_flight || (refusal && announcement.idempotency_key.empty())) {
    return done(refusal->status(), {});
  }
  const Duration ttl = announcement.ttl;
  auto record =
      std::make_shared<const BroadcastRecord>(MakeRecord(std::move(announcement), digest));
  const MonoTime expires = clock_.Mono() + ttl;
  ++in_flight_;
  store_.Submit(
      [record, room = !refusal](Store& store) -> absl::StatusOr<Stored> {
        if (!record->idempotency_key.empty()) {
          auto first = store.FindBroadcastByKey(record->sender, record->idempotency_key);
          if (first.ok()) return Stored{*std::move(first), false};
          if (!absl::IsNotFound(first.status())) return first.status();
        }
        if (!room) return absl::OutOfRangeError("no room");
        P2P_RETURN_IF_ERROR(store.PutBroadcast(*record));
        return Stored{*record, true};
      },
      [this, digest, expires, refusal,
       done = std::move(done)](absl::StatusOr<Stored> stored) mutable {
        asio::post(hub_, [this, digest, expires, refusal, stored = std::move(stored),
                          done = std::move(done)]() mutable {
          --in_flight_;
          if (refusal && absl::IsOutOfRange(stored.status())) return done(refusal->status(), {});
          OnStored(stored, digest, expires, std::move(done));
        });
      });
}

void BroadcastDesk::OnStored(const absl::StatusOr<Stored>& stored,
                             const std::array<uint8_t, 32>& digest, MonoTime expires, Done done) {
  if (!stored.ok()) return done(StoreFailure(stored.status()), {});
  const BroadcastRecord& record = stored->record;
  if (!stored->is_new && record.content_digest != digest) {
    return done(grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                             "idempotency_key was used before with another content"),
                {});
  }
  done(grpc::Status::OK, {record.id, record.sent_at, record.expires_at});
  if (!stored->is_new || stopped_) return;
  Adopt(record, expires);
  DeliveryOrders orders;
  delivery_.OnAccepted(record.id, expires, clock_.Mono(), clock_.Wall(), orders);
  CarryOut(std::move(orders));
}

// From here on the desk and the relay know the broadcast.
void BroadcastDesk::Adopt(const BroadcastRecord& record, MonoTime expires) {
  auto broadcast = std::make_shared<relay::SignedBroadcast>();
  broadcast->id = record.id;
  broadcast->signed_object = record.signed_object;
  broadcast->signature = record.signature;
  broadcast->text = record.text;
  live_bytes_ += record.text.size();
  ++live_of_sender_[record.sender];
  live_[record.id] = {broadcast, record.sender, expires, nullptr};
  if (relay_ != nullptr) relay_->AddBroadcast(broadcast, expires);
}

// ---- Events -------------------------------------------------------------------------------------

void BroadcastDesk::OnAttached(const Attachment& attachment) {
  channels_[attachment.conn] = attachment.channel;
  DeliveryOrders orders;
  delivery_.OnAttached(attachment.user, attachment.conn, clock_.Mono(), clock_.Wall(), orders);
  CarryOut(std::move(orders));
}

void BroadcastDesk::OnDetached(UserId, ConnId conn) {
  channels_.erase(conn);
  delivery_.OnDetached(conn);
}

void BroadcastDesk::OnBroadcastAck(UserId user, ConnId conn, BroadcastId broadcast,
                                   DeliveryVia shown) {
  DeliveryOrders orders;
  delivery_.OnChannelAck(user, conn, broadcast, clock_.Wall(), orders, shown);
  CarryOut(std::move(orders));
}

void BroadcastDesk::OnDelivered(ConnId session, BroadcastId broadcast) {
  DeliveryOrders orders;
  delivery_.OnRelayAck(session, broadcast, clock_.Wall(), orders);
  CarryOut(std::move(orders));
}

void BroadcastDesk::OnReachable(ConnId session, bool reachable) {
  DeliveryOrders orders;
  delivery_.OnReachable(session, reachable, orders);
  CarryOut(std::move(orders));
}

void BroadcastDesk::OnRelayRestarted() {
  if (relay_ == nullptr) return;
  for (const auto& [id, live] : live_) {
    if (live.signed_broadcast != nullptr) relay_->AddBroadcast(live.signed_broadcast, live.expires);
  }
  DeliveryOrders orders;
  delivery_.OnRelayRestarted(clock_.Mono(), orders);
  CarryOut(std::move(orders));
}

void BroadcastDesk::Tick() {
  DeliveryOrders orders;
  delivery_.OnTimer(clock_.Mono(), orders);
  CarryOut(std::move(orders));
}

// ---- Taking back --------------------------------------------------------------------------------

void BroadcastDesk::Revoke(BroadcastId id, ReportViewer viewer, WallTime now, Revoked done) {
  Flush([this, id, viewer, now, done = std::move(done)]() mutable {
    store_.Submit(
        [id, viewer, now](Store& store) { return RevokeAndReport(store, id, viewer, now); },
        [this, id,
         done = std::move(done)](absl::StatusOr<v1::GetBroadcastResponse> report) mutable {
          asio::post(hub_,
                     [this, id, report = std::move(report), done = std::move(done)]() mutable {
                       if (report.ok()) OnRevoked(id);
                       done(std::move(report));
                     });
        });
  });
}

void BroadcastDesk::Withdraw(BroadcastId id, absl::AnyInvocable<void()> then) {
  asio::post(hub_, [this, id, then = std::move(then)]() mutable {
    OnRevoked(id);
    then();
  });
}

void BroadcastDesk::OnRevoked(BroadcastId id) {
  DeliveryOrders orders;
  delivery_.OnRevoked(id, clock_.Mono(), orders);
  CarryOut(std::move(orders));
}

// ---- Carrying out -------------------------------------------------------------------------------

void BroadcastDesk::CarryOut(DeliveryOrders orders) {
  if (!orders.due.empty() || !orders.delivered.empty()) {
    ledger_.Add(std::move(orders.due), std::move(orders.delivered));
  }
  for (auto at = orders.relay.begin(); at != orders.relay.end();) {
    // A new broadcast comes with everybody who is there.
    const BroadcastId id = at->broadcast;
    std::vector<ConnId> sessions;
    for (; at != orders.relay.end() && at->broadcast == id; ++at) sessions.push_back(at->conn);
    relay_->QueueForAll(std::move(sessions), id);
  }
  for (const auto& [conn, id] : orders.channel) PushOnChannel(conn, id);
  for (const BroadcastId& id : orders.withdrawn) TakeFromRelay(id);
  for (const BroadcastId& id : orders.expired) Forget(id);
  TellTakenBack(orders.taken_back);
  Rearm();
}

void BroadcastDesk::PushOnChannel(ConnId conn, BroadcastId id) {
  const auto channel = channels_.find(conn);
  const auto live = live_.find(id);
  if (channel == channels_.end() || live == live_.end()) return;
  if (live->second.signed_broadcast == nullptr) return;
  if (live->second.event == nullptr) live->second.event = MakeEvent(*live->second.signed_broadcast);
  // False: the channel is closed or being cut; a new attachment starts anew.
  (void)channel->second->PushShared(live->second.event);
}

void BroadcastDesk::TellTakenBack(const std::vector<DeliveryOrders::Send>& to) {
  std::shared_ptr<v1::ServerEvent> event;
  BroadcastId of{};
  for (const auto& [conn, id] : to) {
    const auto channel = channels_.find(conn);
    if (channel == channels_.end()) continue;
    if (event == nullptr || of != id) {
      of = id;
      event = std::make_shared<v1::ServerEvent>();
      event->mutable_broadcast_revoked()->set_broadcast_id(id.Hex());
    }
    (void)channel->second->PushShared(event);
  }
}

void BroadcastDesk::TakeFromRelay(BroadcastId id) {
  const auto it = live_.find(id);
  if (it == live_.end() || it->second.signed_broadcast == nullptr) return;
  live_bytes_ -= it->second.signed_broadcast->text.size();
  it->second.signed_broadcast.reset();
  it->second.event.reset();
  if (relay_ != nullptr) relay_->RemoveBroadcast(id);
}

void BroadcastDesk::Forget(BroadcastId id) {
  TakeFromRelay(id);
  const auto it = live_.find(id);
  if (it == live_.end()) return;
  const auto own = live_of_sender_.find(it->second.sender);
  if (--own->second == 0) live_of_sender_.erase(own);
  live_.erase(it);
}

void BroadcastDesk::Rearm() {
  if (stopped_) return;
  const auto next = delivery_.NextDeadline();
  if (next == armed_for_) return;
  armed_for_ = next;
  if (!next) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::max(Duration::zero(), *next - clock_.Mono()));
  timer_.async_wait([this](const asio::error_code& error) {
    if (error) return;  // Armed anew, or the end.
    armed_for_.reset();
    Tick();
  });
}

}  // namespace p2p::server
