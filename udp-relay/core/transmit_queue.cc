#include "udp-relay/core/transmit_queue.h"

#include <algorithm>
#include <bit>

namespace p2p::relay {

size_t TransmitQueue::Due::FrameSize() const {
  return wire::kFrameHeaderSize + wire::kFragmentOverhead +
         wire::FragmentSize(broadcast->payload.size(), index);
}

wire::FragmentFrame TransmitQueue::Due::Frame() const {
  const ByteView payload = broadcast->payload;
  return {.id = broadcast->id,
          .index = index,
          .count = broadcast->fragments,
          .total = static_cast<uint32_t>(payload.size()),
          .bytes = payload.subspan(index * wire::kFragmentBytes,
                                   wire::FragmentSize(payload.size(), index))};
}

TransmitQueue::Result TransmitQueue::Queue(StoredBroadcastPtr broadcast, size_t max_queued) {
  const auto same = [&](const StoredBroadcastPtr& b) { return b->id == broadcast->id; };
  if (Find(broadcast->id) != nullptr) return Result::kAlready;
  if (waiting_ && std::any_of(waiting_->begin(), waiting_->end(), same)) return Result::kAlready;
  if (size() >= max_queued) return Result::kFull;
  Refresh();
  if (active_.size() < kMaxActive) {
    Start(std::move(broadcast));
    return Result::kQueued;
  }
  if (!waiting_) waiting_ = std::make_unique<std::deque<StoredBroadcastPtr>>();
  waiting_->push_back(std::move(broadcast));
  return Result::kQueued;
}

std::optional<TransmitQueue::Due> TransmitQueue::NextDue(MonoTime now) {
  Refresh();
  for (size_t a = 0; a < active_.size(); ++a) {
    const Active& active = active_[a];
    for (uint16_t i = 0; i < active.fragments.size(); ++i) {
      const Fragment& fragment = active.fragments[i];
      if ((active.acked >> i & 1) != 0 || fragment.due > now) continue;
      return Due{.active = a,
                 .broadcast = active.broadcast.get(),
                 .index = i,
                 .tries = fragment.tries,
                 .sent = fragment.sent,
                 .at_once = fragment.due == MonoTime{}};
    }
  }
  return std::nullopt;
}

void TransmitQueue::Postpone(const Due& due, MonoTime until) {
  active_[due.active].fragments[due.index].due = until;
}

void TransmitQueue::OnSent(const Due& due, uint64_t packet_no, MonoTime now, MonoTime again) {
  Fragment& fragment = active_[due.active].fragments[due.index];
  fragment.sent = now;
  fragment.packet_no = packet_no;
  fragment.due = again;
  ++fragment.tries;
}

TransmitQueue::Acked TransmitQueue::OnAck(const wire::AckFrame& ack, uint64_t carrier_no,
                                          MonoTime now) {
  Active* active = Find(ack.id);
  if (active == nullptr) return {};
  const Acked out{.known = true, .rtt = Measure(*active, ack.packet_no, ack.delay_ms, now)};
  if (carrier_no <= active->newest_ack) return out;  // Overtaken by a newer one.
  active->newest_ack = carrier_no;
  const size_t count = active->fragments.size();
  uint64_t map = ack.bitmap;
  if (count < 64) map &= (uint64_t{1} << count) - 1;
  // Complete is what DONE says. Until then the last fragment is repeated, so that a lost DONE is
  // asked for again.
  map &= ~(uint64_t{1} << (count - 1));
  // The client may have given up a partial: what it no longer has is due again. Fragments sent
  // after the acknowledged datagram keep their timers.
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    if ((active->acked & bit) != 0 && (map & bit) == 0) active->fragments[i].due = MonoTime{};
  }
  active->acked = map;
  return out;
}

TransmitQueue::Acked TransmitQueue::OnDone(const wire::DoneFrame& done, MonoTime now) {
  Acked out;
  if (const Active* active = Find(done.id)) {
    out.rtt = Measure(*active, done.packet_no, done.delay_ms, now);
  }
  out.known = Forget(done.id);
  return out;
}

bool TransmitQueue::Forget(BroadcastId id) {
  const size_t before = size();
  DropActive([&](const Active& a) { return a.broadcast->id == id; });
  if (waiting_) {
    std::erase_if(*waiting_, [&](const StoredBroadcastPtr& b) { return b->id == id; });
    if (waiting_->empty()) waiting_.reset();
  }
  return size() < before;
}

void TransmitQueue::SendAllAgain() {
  for (Active& active : active_) {
    active.newest_ack = 0;
    for (Fragment& fragment : active.fragments) fragment = Fragment{};
  }
}

std::optional<MonoTime> TransmitQueue::NextDeadline() {
  Refresh();
  std::optional<MonoTime> next;
  for (const Active& active : active_) {
    for (size_t i = 0; i < active.fragments.size(); ++i) {
      if ((active.acked >> i & 1) != 0) continue;
      const MonoTime due = active.fragments[i].due;
      if (!next || due < *next) next = due;
    }
  }
  return next;
}

size_t TransmitQueue::outstanding() const {
  size_t out = 0;
  for (const Active& active : active_) {
    out += active.fragments.size() - static_cast<size_t>(std::popcount(active.acked));
  }
  return out;
}

TransmitQueue::Active* TransmitQueue::Find(BroadcastId id) {
  for (Active& active : active_) {
    if (active.broadcast->id == id) return &active;
  }
  return nullptr;
}

std::optional<Duration> TransmitQueue::Measure(const Active& active, uint64_t packet_no,
                                               uint16_t delay_ms, MonoTime now) const {
  for (const Fragment& fragment : active.fragments) {
    if (fragment.packet_no != packet_no || packet_no == 0) continue;
    return now - fragment.sent - std::chrono::milliseconds(delay_ms);
  }
  return std::nullopt;
}

template <class Predicate>
void TransmitQueue::DropActive(const Predicate& which) {
  active_.erase(std::remove_if(active_.begin(), active_.end(), which), active_.end());
  if (active_.empty()) active_.shrink_to_fit();
}

void TransmitQueue::Start(StoredBroadcastPtr broadcast) {
  const size_t count = broadcast->fragments;
  active_.push_back({.broadcast = std::move(broadcast),
                     .acked = 0,
                     .newest_ack = 0,
                     .fragments = absl::InlinedVector<Fragment, 1>(count)});
}

void TransmitQueue::Refresh() {
  DropActive([](const Active& a) { return a.broadcast->dead; });
  while (waiting_ && active_.size() < kMaxActive) {
    StoredBroadcastPtr next = std::move(waiting_->front());
    waiting_->pop_front();
    if (waiting_->empty()) waiting_.reset();
    if (!next->dead) Start(std::move(next));
  }
}

}  // namespace p2p::relay
