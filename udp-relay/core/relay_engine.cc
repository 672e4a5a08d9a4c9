#include "udp-relay/core/relay_engine.h"

#include <algorithm>

#include "common/wire/control_frames.h"

namespace p2p::relay {
namespace {

// With its places in the tables, some 120 bytes, an idle client takes no more than 1 KiB.
static_assert(sizeof(RelaySession) <= 896);

std::optional<MonoTime> Earlier(std::optional<MonoTime> a, std::optional<MonoTime> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

RelayEngine::RelayEngine(const RelayOptions& options, Random& random, RelayEvents& events,
                         RelayCounters& counters, std::pmr::memory_resource& memory)
    : options_(options),
      random_(random),
      events_(events),
      counters_(counters),
      egress_(options_.egress_bytes_per_second, options_.egress_burst_bytes),
      registrar_(options_, random_, egress_, counters_),
      broadcasts_(options_.max_broadcasts),
      jitter_(random_.U64()),
      pool_({.max_blocks_per_chunk = 1024, .largest_required_pool_block = sizeof(RelaySession)},
            &memory) {}

void RelayEngine::AddSession(ConnId id, Secret<32> psk) {
  RemoveSession(id);
  if (by_id_.size() >= options_.max_sessions) {
    counters_.Add(RelayCount::kSessionsFull);
    return;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<Slot>(slots_.size()));
    slots_.emplace_back(nullptr, Free{&pool_});
  }
  const Slot slot = free_.back();
  free_.pop_back();
  slots_[slot].reset(std::pmr::polymorphic_allocator<>(&pool_).new_object<RelaySession>(
      id, std::move(psk), options_, ciphers_));
  by_id_.emplace(id, slot);
}

void RelayEngine::RemoveSession(ConnId id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  timers_.Set(it->second, std::nullopt);
  slots_[it->second]->CountNothing(ack_window_);
  slots_[it->second].reset();
  free_.push_back(it->second);
  by_id_.erase(it);
}

void RelayEngine::AddBroadcast(const SignedBroadcast& broadcast, MonoTime expires) {
  if (!broadcasts_.Add(broadcast, expires)) counters_.Add(RelayCount::kBroadcastsFull);
}

void RelayEngine::RemoveBroadcast(BroadcastId id) { broadcasts_.Remove(id); }

void RelayEngine::Queue(std::span<const ConnId> sessions, BroadcastId broadcast) {
  const auto stored = broadcasts_.Find(broadcast);
  if (!stored) return;
  for (const ConnId& id : sessions) Prefetch(id);
  for (const ConnId& id : sessions) {
    const auto slot = Find(id);
    if (!slot) continue;
    const auto result = slots_[*slot]->queue().Queue(stored, options_.max_queued_per_session);
    if (result == TransmitQueue::Result::kFull) counters_.Add(RelayCount::kQueueFull);
    if (result == TransmitQueue::Result::kQueued) Arm(*slot);
  }
}

void RelayEngine::Clear() {
  std::vector<ConnId> ids;
  for (const auto& [id, slot] : by_id_) ids.push_back(id);
  for (const ConnId& id : ids) RemoveSession(id);
  broadcasts_.Clear();
}

bool RelayEngine::Idle() {
  for (const auto& session : slots_) {
    if (session == nullptr || !session->reachable()) continue;
    (void)session->queue().NextDeadline();  // Drops what is dead.
    if (session->queue().size() > 0) return false;
  }
  return true;
}

void RelayEngine::Prefetch(ConnId id) const {
  if (const auto slot = Find(id)) slots_[*slot]->Prefetch();
}

void RelayEngine::Expect(ByteView datagram) const {
  if (wire::PeekKind(datagram) != wire::DatagramKind::kData) return;
  if (const auto header = wire::DataHeader::Parse(datagram)) Prefetch(header->conn_id);
}

void RelayEngine::OnDatagram(ByteView datagram, const Path& path, MonoTime now, Outbox& out) {
  counters_.Add(RelayCount::kDatagramsIn);
  const auto kind = wire::PeekKind(datagram);
  if (kind == wire::DatagramKind::kData) {
    OnData(datagram, path, now, out);
  } else if (kind == wire::DatagramKind::kRegister) {
    OnRegister(datagram, path, now, out);
  } else {
    counters_.Add(RelayCount::kMalformed);
  }
}

void RelayEngine::Poll(MonoTime now, Outbox& out) {
  broadcasts_.Expire(now);
  egress_wait_.reset();
  SendContext context{egress_, jitter_, counters_, ack_window_.window()};
  while (const auto due = timers_.Due(now)) {
    if (out.full()) return;
    if (!egress_.Allows(now)) {
      egress_wait_ = egress_.ReadyAt(now);
      return;
    }
    RelaySession& session = *slots_[*due];
    const auto silent_at = session.SilentAt();
    if (silent_at && *silent_at <= now) {
      session.MarkSilent();
      events_.OnReachable(session.id(), false);
    }
    const auto next = session.Transmit(now, context, out);
    timers_.Set(*due, Earlier(next, session.SilentAt()));
    session.CountOutstanding(ack_window_);
  }
}

std::optional<MonoTime> RelayEngine::NextDeadline() const {
  std::optional<MonoTime> next = timers_.next();
  if (next && egress_wait_) next = std::max(*next, *egress_wait_);
  return Earlier(next, broadcasts_.NextDeadline());
}

std::optional<RelayEngine::Slot> RelayEngine::Find(ConnId id) const {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return std::nullopt;
  return it->second;
}

void RelayEngine::Arm(Slot slot) {
  RelaySession& session = *slots_[slot];
  const auto due = session.reachable() ? session.queue().NextDeadline() : std::nullopt;
  timers_.Set(slot, Earlier(due, session.SilentAt()));
  session.CountOutstanding(ack_window_);
}

void RelayEngine::OnRegister(ByteView datagram, const Path& path, MonoTime now, Outbox& out) {
  const auto packet = wire::RegisterPacket::Parse(datagram);
  if (!packet) {
    counters_.Add(RelayCount::kMalformed);
    return;
  }
  const auto slot = Find(packet->conn_id);
  if (!slot) {
    counters_.Add(RelayCount::kUnknownSession);
    return;
  }
  RelaySession& session = *slots_[*slot];
  const auto body = registrar_.OnRegister(session, *packet, datagram, path, now, out);
  if (body) OnHave(session, body->have);
}

void RelayEngine::OnData(ByteView datagram, const Path& path, MonoTime now, Outbox& out) {
  const auto header = wire::DataHeader::Parse(datagram);
  if (!header) {
    counters_.Add(RelayCount::kMalformed);
    return;
  }
  const auto slot = Find(header->conn_id);
  if (!slot) {
    counters_.Add(RelayCount::kUnknownSession);
    return;
  }
  RelaySession& session = *slots_[*slot];
  if (!session.has_keys()) {
    counters_.Add(RelayCount::kNoKeys);
    return;
  }
  std::array<uint8_t, wire::kMaxFrameBytes> plain;
  const auto opened = session.Open(*header, datagram, now, plain);
  if (opened.error != session::OpenError::kNone) {
    CountOpenError(opened.error);
    return;
  }
  if (opened.confirmed) counters_.Add(RelayCount::kRegistered);
  if (session.path() != nullptr && session.path()->remote != path.remote) {
    counters_.Add(RelayCount::kOtherSource);
  }
  const bool challenged =
      session.OnSource(path, datagram.size(), opened.newest, now, random_, egress_, out);
  if (challenged) counters_.Add(RelayCount::kPathChallenges);
  session.OnHeard(now);
  if (session.MarkReachable()) events_.OnReachable(session.id(), true);
  Incoming in{header->packet_no, path, now, challenged};
  if (!OnFrames(session, in, opened.frames, out)) counters_.Add(RelayCount::kBadFrame);
  Arm(*slot);
}

bool RelayEngine::OnFrames(RelaySession& session, Incoming& in, ByteView frames, Outbox& out) {
  wire::FrameCursor reader(frames);
  while (const auto frame = reader.Next()) {
    if (!OnFrame(session, in, *frame, out)) return false;
  }
  return reader.ok();
}

bool RelayEngine::OnFrame(RelaySession& session, Incoming& in, const wire::RawFrame& frame,
                          Outbox& out) {
  switch (static_cast<wire::FrameType>(frame.type)) {
    case wire::FrameType::kAck: {
      const auto ack = wire::AckFrame::Parse(frame.body);
      if (!ack) return false;
      const auto acked = session.queue().OnAck(*ack, in.packet_no, in.now);
      if (acked.rtt) session.OnRtt(*acked.rtt, std::chrono::milliseconds(ack->delay_ms));
      return true;
    }
    case wire::FrameType::kDone: {
      const auto done = wire::DoneFrame::Parse(frame.body);
      if (!done) return false;
      const auto acked = session.queue().OnDone(*done, in.now);
      if (acked.rtt) session.OnRtt(*acked.rtt, Duration(0));
      if (acked.known) Delivered(session, done->id);
      return true;
    }
    case wire::FrameType::kPing: {
      const auto ping = wire::PingFrame::Parse(frame.body);
      if (!ping) return false;
      if (std::exchange(in.answered, true)) return true;
      if (!session.SendPong(wire::PongFrame{ping->token}, in.now, egress_, out)) {
        counters_.Add(RelayCount::kReplyDropped);
      }
      return true;
    }
    case wire::FrameType::kSync: {
      const auto sync = wire::SyncFrame::Parse(frame.body);
      if (!sync) return false;
      OnHave(session, sync->have);
      return true;
    }
    case wire::FrameType::kPathResponse: {
      const auto response = wire::PathResponseFrame::Parse(frame.body);
      if (!response) return false;
      if (session.OnPathResponse(*response, in.path, in.now)) counters_.Add(RelayCount::kMoved);
      return true;
    }
    case wire::FrameType::kClose:
      if (!wire::CloseFrame::Parse(frame.body)) return false;
      if (session.MarkSilent()) events_.OnReachable(session.id(), false);
      return true;
    case wire::FrameType::kPad:
    case wire::FrameType::kPong:
    case wire::FrameType::kFragment:
    case wire::FrameType::kPathChallenge:
    case wire::FrameType::kAckWindow:
      return true;  // Nothing a relay acts on.
  }
  return true;  // A type of a later version.
}

void RelayEngine::OnHave(RelaySession& session, const std::vector<BroadcastId>& have) {
  for (const BroadcastId& id : have) {
    if (session.queue().Forget(id)) Delivered(session, id);
  }
}

void RelayEngine::Delivered(RelaySession& session, BroadcastId id) {
  counters_.Add(RelayCount::kDelivered);
  events_.OnDelivered(session.id(), id);
}

void RelayEngine::CountOpenError(session::OpenError error) {
  switch (error) {
    case session::OpenError::kNone:
      return;
    case session::OpenError::kEpoch:
      return counters_.Add(RelayCount::kBadEpoch);
    case session::OpenError::kTag:
      return counters_.Add(RelayCount::kBadTag);
    case session::OpenError::kReplay:
      return counters_.Add(RelayCount::kReplayed);
  }
}

}  // namespace p2p::relay
