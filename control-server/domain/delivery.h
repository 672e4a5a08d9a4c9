// Who is to get which broadcast, by which way, and who has it. Pure: events and the time go in,
// orders come out; the desk (service/broadcast_desk.h) carries them out.
//
// Due is every account that is attached in [sent_at, expires_at), the sender included. A broadcast
// is queued at the relay for each attachment of a due user; when UDP does not carry it in
// `channel_fallback`, or is known not to work, the channel takes it as well, under the same id: the
// client's journal makes one of two. It leaves when the client says that it is journalled, when it
// expires, or when the attachment ends; a new attachment starts anew.
//
// One that is taken back is sent to nobody any more. Who was due is told on the channel, now and
// whenever he attaches before its own end: he may have it for all that is known here, and until
// then he may still say so.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/counters.h"
#include "common/base/time.h"
#include "control-server/domain/records.h"

namespace p2p::server {

// Acknowledgements that do not count.
enum class AckDrop { kUnknownAttachment, kNotHis, kNotQueued, kRepeated, kCount };

struct DeliveryOptions {
  Duration channel_fallback = 10s;
  // What expired or was taken back is no longer sent, but what was on its way may still be
  // acknowledged.
  Duration ack_grace = 30s;
  bool has_relay = true;  // False: everything goes over the channel at once.
};

// What is to be done, in the order of the vectors' elements. The caller clears it.
struct DeliveryOrders {
  struct Send {
    ConnId conn;
    BroadcastId broadcast;
    bool operator==(const Send&) const = default;
  };
  std::vector<Send> relay;                // Queue at the relay.
  std::vector<Send> channel;              // Push on the channel.
  std::vector<DeliveryRecord> due;        // New rows of the ledger.
  std::vector<DeliveryRecord> delivered;  // Rows that are delivered now; durable after `due`.
  std::vector<BroadcastId> withdrawn;     // To be forgotten by the relay. Its place stays taken.
  std::vector<BroadcastId> expired;       // To be forgotten by the relay and the desk.
  std::vector<Send> taken_back;           // Tell on the channel that it was.
};

// Memory: one entry per live broadcast and due user, one per live broadcast and attachment that has
// not acknowledged it. Costs O(1) per entry touched.
class Delivery {
 public:
  explicit Delivery(DeliveryOptions options) : options_(options) {}

  // From the store, before anybody is attached. `expires` is what is left of the absolute expiry.
  void Restore(BroadcastId id, MonoTime expires, const std::vector<DeliveryRecord>& rows);
  // The same of one that was taken back.
  void RestoreTakenBack(BroadcastId id, MonoTime expires, const std::vector<DeliveryRecord>& rows);

  // The broadcast is durable: everybody attached is due.
  void OnAccepted(BroadcastId id, MonoTime expires, MonoTime now, WallTime wall,
                  DeliveryOrders& out);
  // `conn` is fresh. The user gets every live broadcast that he does not have.
  void OnAttached(UserId user, ConnId conn, MonoTime now, WallTime wall, DeliveryOrders& out);
  void OnDetached(ConnId conn);
  // Whether datagrams of that attachment arrive, as the relay sees it.
  void OnReachable(ConnId conn, bool reachable, DeliveryOrders& out);
  // The relay forgot everything: what is outstanding is queued again.
  void OnRelayRestarted(MonoTime now, DeliveryOrders& out);
  void OnRelayAck(ConnId conn, BroadcastId id, WallTime wall, DeliveryOrders& out);
  // `shown`: by which way the client says that it came first, i.e. what its user was shown; kNone:
  // it does not say (an earlier version).
  void OnChannelAck(UserId user, ConnId conn, BroadcastId id, WallTime wall, DeliveryOrders& out,
                    DeliveryVia shown = DeliveryVia::kNone);
  // Taken back: nobody gets it any more. Who was due is told, when attached again at the latest.
  void OnRevoked(BroadcastId id, MonoTime now, DeliveryOrders& out);
  // Falls back and expires whatever is due for it.
  void OnTimer(MonoTime now, DeliveryOrders& out);
  std::optional<MonoTime> NextDeadline() const;

  bool IsLive(BroadcastId id) const;
  size_t live() const { return live_; }
  size_t attached() const { return attachments_.size(); }
  const Counters<AckDrop>& drops() const { return drops_; }

 private:
  struct Broadcast {
    MonoTime expires;
    bool over = false;        // Sent to nobody any more; lingers for late acknowledgements.
    bool taken_back = false;  // Then it is over, and lingers for who was not told yet, too.
    absl::flat_hash_map<UserId, bool> users;  // Due; true: delivered.
  };
  enum class Udp { kUnknown, kWorks, kFails };
  struct Attachment {
    UserId user;
    Udp udp = Udp::kUnknown;
    std::map<BroadcastId, bool> outstanding;  // True: pushed on the channel too.
  };
  struct Fallback {
    MonoTime at;
    ConnId conn;
    BroadcastId broadcast;
  };

  void Offer(ConnId conn, Attachment& attachment, BroadcastId id, Broadcast& broadcast,
             MonoTime now, WallTime wall, DeliveryOrders& out);
  void TellTakenBack(ConnId conn, Attachment& attachment, BroadcastId id, Broadcast& broadcast,
                     DeliveryOrders& out);
  void PushOutstanding(ConnId conn, Attachment& attachment, DeliveryOrders& out);
  void Settle(Attachment& attachment, BroadcastId id, DeliveryVia via, WallTime wall,
              DeliveryOrders& out);
  void FallBack(MonoTime now, DeliveryOrders& out);
  void Expire(MonoTime now, DeliveryOrders& out);

  const DeliveryOptions options_;
  std::map<BroadcastId, Broadcast> broadcasts_;
  absl::flat_hash_map<ConnId, Attachment> attachments_;
  std::deque<Fallback> fallbacks_;  // In order of time: the delay is the same for all.
  std::multimap<MonoTime, BroadcastId> expiries_;  // Of live ones, then of lingering ones.
  size_t live_ = 0;
  Counters<AckDrop> drops_;
};

}  // namespace p2p::server
