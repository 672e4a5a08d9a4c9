// One deadline per session, the nearest first: O(log n) to move one, nothing to scan.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "common/base/time.h"

namespace p2p::relay {

// Slots are small numbers that the caller hands out and reuses.
class TimerHeap {
 public:
  using Slot = uint32_t;
  struct Entry {
    MonoTime at;
    Slot slot;
  };

  // Sets, moves or (nullopt) removes the slot's deadline.
  void Set(Slot slot, std::optional<MonoTime> at) {
    if (slot >= place_.size()) place_.resize(slot + 1, kNowhere);
    size_t i = place_[slot];
    if (!at) {
      if (i != kNowhere) RemoveAt(i);
      return;
    }
    if (i == kNowhere) {
      i = heap_.size();
      heap_.push_back({*at, slot});
      place_[slot] = i;
    } else {
      heap_[i].at = *at;
    }
    SiftDown(SiftUp(i));
  }
  // The nearest deadline, or null.
  const Entry* top() const { return heap_.empty() ? nullptr : &heap_.front(); }
  size_t size() const { return heap_.size(); }

 private:
  static constexpr size_t kNowhere = ~size_t{0};

  void RemoveAt(size_t i) {
    place_[heap_[i].slot] = kNowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (i == heap_.size()) return;
    heap_[i] = last;
    place_[last.slot] = i;
    SiftDown(SiftUp(i));
  }
  void Swap(size_t a, size_t b) {
    std::swap(heap_[a], heap_[b]);
    place_[heap_[a].slot] = a;
    place_[heap_[b].slot] = b;
  }
  size_t SiftUp(size_t i) {
    for (; i > 0 && heap_[i].at < heap_[(i - 1) / 2].at; i = (i - 1) / 2) Swap(i, (i - 1) / 2);
    return i;
  }
  void SiftDown(size_t i) {
    for (;;) {
      size_t least = 2 * i + 1;
      if (least >= heap_.size()) return;
      if (least + 1 < heap_.size() && heap_[least + 1].at < heap_[least].at) ++least;
      if (heap_[i].at <= heap_[least].at) return;
      Swap(i, least);
      i = least;
    }
  }

  std::vector<Entry> heap_;
  std::vector<size_t> place_;
};

}  // namespace p2p::relay
