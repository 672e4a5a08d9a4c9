#include "control-server/domain/delivery.h"

#include <algorithm>

#include "common/base/check.h"

namespace p2p::server {

void Delivery::Restore(BroadcastId id, MonoTime expires, const std::vector<DeliveryRecord>& rows) {
  Broadcast& broadcast = broadcasts_[id];
  broadcast.expires = expires;
  for (const DeliveryRecord& row : rows) {
    broadcast.users[row.user] = row.via != DeliveryVia::kNone;
  }
  expiries_.emplace(expires, id);
  ++live_;
}

void Delivery::RestoreTakenBack(BroadcastId id, MonoTime expires,
                                const std::vector<DeliveryRecord>& rows) {
  Restore(id, expires, rows);
  Broadcast& broadcast = broadcasts_[id];
  broadcast.over = broadcast.taken_back = true;
  --live_;
}

void Delivery::OnAccepted(BroadcastId id, MonoTime expires, MonoTime now, WallTime wall,
                          DeliveryOrders& out) {
  P2P_CHECK(!broadcasts_.contains(id));
  Broadcast& broadcast = broadcasts_[id];
  broadcast.expires = expires;
  expiries_.emplace(expires, id);
  ++live_;
  for (auto& [conn, attachment] : attachments_) {
    Offer(conn, attachment, id, broadcast, now, wall, out);
  }
}

void Delivery::OnAttached(UserId user, ConnId conn, MonoTime now, WallTime wall,
                          DeliveryOrders& out) {
  const auto [it, fresh] = attachments_.try_emplace(conn);
  P2P_CHECK(fresh);
  Attachment& attachment = it->second;
  attachment.user = user;
  if (!options_.has_relay) attachment.udp = Udp::kFails;
  for (auto& [id, broadcast] : broadcasts_) {
    if (broadcast.taken_back) TellTakenBack(conn, attachment, id, broadcast, out);
    if (broadcast.over || broadcast.expires <= now) continue;
    Offer(conn, attachment, id, broadcast, now, wall, out);
  }
}

// What he says of it counts, wherever it reached him.
void Delivery::TellTakenBack(ConnId conn, Attachment& attachment, BroadcastId id,
                             Broadcast& broadcast, DeliveryOrders& out) {
  const auto user = broadcast.users.find(attachment.user);
  if (user == broadcast.users.end()) return;
  if (!user->second) attachment.outstanding.emplace(id, true);
  out.taken_back.push_back({conn, id});
}

// The user of the attachment is due; he gets it unless he has it.
void Delivery::Offer(ConnId conn, Attachment& attachment, BroadcastId id, Broadcast& broadcast,
                     MonoTime now, WallTime wall, DeliveryOrders& out) {
  const auto [user, newly_due] = broadcast.users.try_emplace(attachment.user, false);
  if (newly_due) out.due.push_back({.broadcast = id, .user = attachment.user, .due_at = wall});
  if (user->second) return;
  const bool push = attachment.udp == Udp::kFails;
  attachment.outstanding.emplace(id, push);
  if (options_.has_relay) out.relay.push_back({conn, id});
  if (push) {
    out.channel.push_back({conn, id});
  } else {
    fallbacks_.push_back({now + options_.channel_fallback, conn, id});
  }
}

void Delivery::OnDetached(ConnId conn) { attachments_.erase(conn); }

void Delivery::PushOutstanding(ConnId conn, Attachment& attachment, DeliveryOrders& out) {
  for (auto& [id, pushed] : attachment.outstanding) {
    const auto broadcast = broadcasts_.find(id);
    if (pushed || broadcast == broadcasts_.end() || broadcast->second.over) continue;
    pushed = true;
    out.channel.push_back({conn, id});
  }
}

void Delivery::OnReachable(ConnId conn, bool reachable, DeliveryOrders& out) {
  const auto it = attachments_.find(conn);
  if (it == attachments_.end()) return;
  it->second.udp = reachable ? Udp::kWorks : Udp::kFails;
  if (!reachable) PushOutstanding(conn, it->second, out);
}

void Delivery::OnRelayRestarted(MonoTime now, DeliveryOrders& out) {
  for (auto& [conn, attachment] : attachments_) {
    if (options_.has_relay) attachment.udp = Udp::kUnknown;  // The client has to register first.
    for (const auto& [id, pushed] : attachment.outstanding) {
      const auto broadcast = broadcasts_.find(id);
      if (broadcast == broadcasts_.end() || broadcast->second.over) continue;
      if (broadcast->second.expires <= now) continue;
      out.relay.push_back({conn, id});
    }
  }
  // One order for each broadcast, not for each client.
  std::stable_sort(out.relay.begin(), out.relay.end(),
                   [](const auto& a, const auto& b) { return a.broadcast < b.broadcast; });
}

void Delivery::OnRelayAck(ConnId conn, BroadcastId id, WallTime wall, DeliveryOrders& out) {
  const auto it = attachments_.find(conn);
  if (it == attachments_.end()) return drops_.Add(AckDrop::kUnknownAttachment);
  it->second.udp = Udp::kWorks;
  Settle(it->second, id, DeliveryVia::kUdp, wall, out);
}

void Delivery::OnChannelAck(UserId user, ConnId conn, BroadcastId id, WallTime wall,
                            DeliveryOrders& out, DeliveryVia shown) {
  const auto it = attachments_.find(conn);
  if (it == attachments_.end()) return drops_.Add(AckDrop::kUnknownAttachment);
  if (it->second.user != user) return drops_.Add(AckDrop::kNotHis);
  if (shown == DeliveryVia::kNone) {
    const auto sent = it->second.outstanding.find(id);
    // Never pushed there: it came by datagram, and only the acknowledgement took the channel.
    const bool by_udp = sent != it->second.outstanding.end() && !sent->second;
    shown = by_udp ? DeliveryVia::kUdp : DeliveryVia::kChannel;
  }
  Settle(it->second, id, shown, wall, out);
}

void Delivery::Settle(Attachment& attachment, BroadcastId id, DeliveryVia via, WallTime wall,
                      DeliveryOrders& out) {
  const auto broadcast = broadcasts_.find(id);
  if (broadcast == broadcasts_.end()) return drops_.Add(AckDrop::kNotQueued);
  const bool queued = attachment.outstanding.erase(id) > 0;
  const auto user = broadcast->second.users.find(attachment.user);
  if (user != broadcast->second.users.end() && user->second) {
    return drops_.Add(AckDrop::kRepeated);
  }
  if (!queued) return drops_.Add(AckDrop::kNotQueued);
  P2P_CHECK(user != broadcast->second.users.end());  // Queued means due.
  user->second = true;
  out.delivered.push_back(
      {.broadcast = id, .user = attachment.user, .via = via, .delivered_at = wall});
}

void Delivery::OnRevoked(BroadcastId id, MonoTime now, DeliveryOrders& out) {
  const auto it = broadcasts_.find(id);
  if (it == broadcasts_.end() || it->second.taken_back) return;
  Broadcast& broadcast = it->second;
  for (auto [at, end] = expiries_.equal_range(broadcast.expires); at != end; ++at) {
    if (at->second != id) continue;
    expiries_.erase(at);
    break;
  }
  if (!broadcast.over) --live_;
  broadcast.over = broadcast.taken_back = true;
  broadcast.expires = std::max(broadcast.expires, now + options_.ack_grace);
  expiries_.emplace(broadcast.expires, id);
  for (auto& [conn, attachment] : attachments_) {
    TellTakenBack(conn, attachment, id, broadcast, out);
  }
  out.withdrawn.push_back(id);
}

void Delivery::OnTimer(MonoTime now, DeliveryOrders& out) {
  Expire(now, out);  // First: what expires now is not sent any more.
  FallBack(now, out);
}

void Delivery::FallBack(MonoTime now, DeliveryOrders& out) {
  while (!fallbacks_.empty() && fallbacks_.front().at <= now) {
    const Fallback next = fallbacks_.front();
    fallbacks_.pop_front();
    const auto attachment = attachments_.find(next.conn);
    if (attachment == attachments_.end()) continue;
    const auto sent = attachment->second.outstanding.find(next.broadcast);
    if (sent == attachment->second.outstanding.end() || sent->second) continue;
    const auto broadcast = broadcasts_.find(next.broadcast);
    if (broadcast == broadcasts_.end() || broadcast->second.over) continue;
    sent->second = true;
    out.channel.push_back({next.conn, next.broadcast});
    // Nothing has come through so far: the next ones do not wait for it.
    if (attachment->second.udp == Udp::kUnknown) attachment->second.udp = Udp::kFails;
  }
}

void Delivery::Expire(MonoTime now, DeliveryOrders& out) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const BroadcastId id = expiries_.begin()->second;
    expiries_.erase(expiries_.begin());
    const auto it = broadcasts_.find(id);
    if (!it->second.over) {
      it->second.over = true;
      --live_;
      it->second.expires = now + options_.ack_grace;
      expiries_.emplace(it->second.expires, id);
      out.expired.push_back(id);
    } else {
      for (auto& [conn, attachment] : attachments_) attachment.outstanding.erase(id);
      if (it->second.taken_back) out.expired.push_back(id);
      broadcasts_.erase(it);
    }
  }
}

std::optional<MonoTime> Delivery::NextDeadline() const {
  std::optional<MonoTime> next;
  if (!expiries_.empty()) next = expiries_.begin()->first;
  if (!fallbacks_.empty() && (!next || fallbacks_.front().at < *next)) next = fallbacks_.front().at;
  return next;
}

bool Delivery::IsLive(BroadcastId id) const {
  const auto it = broadcasts_.find(id);
  return it != broadcasts_.end() && !it->second.over;
}

}  // namespace p2p::server
