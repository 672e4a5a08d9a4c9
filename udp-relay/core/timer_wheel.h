// One deadline per session, in buckets of a millisecond and, further away, of a second: O(1) to
// move one (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987).
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <vector>

#include "common/base/time.h"

namespace p2p::relay {

// Slots are small numbers that the caller hands out and reuses. A deadline is met late by less than
// a millisecond, never early. One thread.
class TimerWheel {
 public:
  using Slot = uint32_t;

  // Sets, moves or (nullopt) removes the slot's deadline.
  void Set(Slot slot, std::optional<MonoTime> at);
  // A slot whose deadline is over, the first one first; it stays so until it is set anew. `now`
  // never goes back.
  std::optional<Slot> Due(MonoTime now);
  // When Due() is worth asking again; in the past when something is due.
  std::optional<MonoTime> next() const;
  size_t size() const { return size_; }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr int64_t kNear = 1024;  // Buckets of a tick …
  static constexpr int64_t kFar = 256;    // … and of kNear ticks.
  struct Entry {
    MonoTime at{};
    uint32_t list = kNone;
    Slot next = kNone;
    Slot prev = kNone;
  };
  struct List {
    Slot first = kNone;
    Slot last = kNone;
  };
  // Lists: what is due, the near buckets, the far ones.
  static constexpr uint32_t kDue = 0, kFirstNear = 1, kFirstFar = kFirstNear + kNear;

  uint32_t ListFor(MonoTime at) const;
  void Append(uint32_t list, Slot slot);
  void Unlink(Slot slot);
  void MarkUsed(uint32_t list, bool used);
  // The next tick after tick_ at which a bucket has something; nullopt: none has.
  std::optional<int64_t> NextTick() const;
  void AdvanceTo(int64_t tick);
  // Files the list's entries anew.
  void Refile(uint32_t list);

  int64_t tick_ = 0;  // What is due until here is in the list of the due.
  size_t size_ = 0;
  std::vector<Entry> entries_;  // By slot.
  std::array<List, kFirstFar + kFar> lists_;
  std::bitset<kNear> near_used_;
  std::bitset<kFar> far_used_;
};

}  // namespace p2p::relay
