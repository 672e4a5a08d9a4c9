#include "udp-relay/core/timer_wheel.h"

#include <algorithm>

namespace p2p::relay {
namespace {

constexpr Duration kTick = 1ms;

// Rounded up: never early.
int64_t TickOf(MonoTime at) { return (at.time_since_epoch() + kTick - Duration(1)) / kTick; }
int64_t TicksOver(MonoTime now) { return now.time_since_epoch() / kTick; }

// How far it is, going round, from bucket `after` (exclusive) to the next used one; 0: there is
// none.
template <size_t N>
int64_t NextUsed(const std::bitset<N>& used, size_t after) {
  if (used.none()) return 0;
  size_t at = used._Find_next(after);
  if (at == N) at = used._Find_first();
  return static_cast<int64_t>(at > after ? at - after : at + N - after);
}

}  // namespace

void TimerWheel::Set(Slot slot, std::optional<MonoTime> at) {
  if (slot >= entries_.size()) entries_.resize(slot + 1);
  Entry& entry = entries_[slot];
  const uint32_t list = at ? ListFor(*at) : kNone;
  if (at) entry.at = *at;
  if (list == entry.list) return;
  if (entry.list != kNone) Unlink(slot);
  if (list != kNone) Append(list, slot);
}

std::optional<TimerWheel::Slot> TimerWheel::Due(MonoTime now) {
  AdvanceTo(TicksOver(now));
  const Slot first = lists_[kDue].first;
  if (first == kNone) return std::nullopt;
  return first;
}

std::optional<MonoTime> TimerWheel::next() const {
  if (lists_[kDue].first != kNone) return entries_[lists_[kDue].first].at;
  const auto tick = NextTick();
  if (!tick) return std::nullopt;
  return MonoTime(kTick * *tick);
}

uint32_t TimerWheel::ListFor(MonoTime at) const {
  const int64_t tick = TickOf(at);
  if (tick <= tick_) return kDue;
  if (tick - tick_ < kNear) return kFirstNear + static_cast<uint32_t>(tick % kNear);
  // What is even further away is filed anew when its bucket's time has come.
  const int64_t far = std::min(tick / kNear, tick_ / kNear + kFar - 1);
  return kFirstFar + static_cast<uint32_t>(far % kFar);
}

void TimerWheel::Append(uint32_t list, Slot slot) {
  List& to = lists_[list];
  Entry& entry = entries_[slot];
  entry.list = list;
  entry.next = kNone;
  entry.prev = to.last;
  (to.last == kNone ? to.first : entries_[to.last].next) = slot;
  if (to.last == kNone) MarkUsed(list, true);
  to.last = slot;
  ++size_;
}

void TimerWheel::Unlink(Slot slot) {
  Entry& entry = entries_[slot];
  List& from = lists_[entry.list];
  (entry.prev == kNone ? from.first : entries_[entry.prev].next) = entry.next;
  (entry.next == kNone ? from.last : entries_[entry.next].prev) = entry.prev;
  if (from.first == kNone) MarkUsed(entry.list, false);
  entry.list = kNone;
  --size_;
}

void TimerWheel::MarkUsed(uint32_t list, bool used) {
  if (list >= kFirstFar) {
    far_used_.set(list - kFirstFar, used);
  } else if (list >= kFirstNear) {
    near_used_.set(list - kFirstNear, used);
  }
}

std::optional<int64_t> TimerWheel::NextTick() const {
  std::optional<int64_t> next;
  const int64_t near = NextUsed(near_used_, static_cast<size_t>(tick_ % kNear));
  if (near > 0) next = tick_ + near;
  const int64_t block = tick_ / kNear;
  const int64_t far = NextUsed(far_used_, static_cast<size_t>(block % kFar));
  if (far > 0) next = std::min(next.value_or(INT64_MAX), (block + far) * kNear);
  return next;
}

void TimerWheel::AdvanceTo(int64_t tick) {
  while (tick_ < tick) {
    const auto next = NextTick();
    tick_ = next ? std::min(*next, tick) : tick;
    if (tick_ % kNear == 0) Refile(kFirstFar + static_cast<uint32_t>(tick_ / kNear % kFar));
    Refile(kFirstNear + static_cast<uint32_t>(tick_ % kNear));
  }
}

void TimerWheel::Refile(uint32_t list) {
  const Slot last = lists_[list].last;
  if (last == kNone) return;
  for (Slot slot = lists_[list].first;;) {
    const Slot next = entries_[slot].next;
    const uint32_t to = ListFor(entries_[slot].at);
    Unlink(slot);
    Append(to, slot);
    if (slot == last) return;
    slot = next;
  }
}

}  // namespace p2p::relay
