// Counters by enum: hostile input and overflowing queues are counted, not logged. Thread-safe,
// relaxed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace p2p {

// `E` is an enum class whose last member is kCount.
template <class E>
class Counters {
 public:
  void Add(E which, uint64_t n = 1) {
    values_[static_cast<size_t>(which)].fetch_add(n, std::memory_order_relaxed);
  }
  uint64_t Get(E which) const {
    return values_[static_cast<size_t>(which)].load(std::memory_order_relaxed);
  }
  uint64_t Total() const {
    uint64_t sum = 0;
    for (const auto& v : values_) sum += v.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(E::kCount)> values_{};
};

}  // namespace p2p
