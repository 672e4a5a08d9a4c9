#include "tests/fakes/counted_memory.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace p2p::testing {
namespace {

std::atomic<uint64_t> allocations{0};
std::atomic<int64_t> held{0};

// The allocator keeps a word in front of each piece.
int64_t Takes(void* memory) {
  return static_cast<int64_t>(malloc_usable_size(memory) + sizeof(size_t));
}

void* Take(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  allocations.fetch_add(1, std::memory_order_relaxed);
  held.fetch_add(Takes(memory), std::memory_order_relaxed);
  return memory;
}

void GiveBack(void* memory) {
  if (memory == nullptr) return;
  held.fetch_sub(Takes(memory), std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

uint64_t Allocations() { return allocations.load(std::memory_order_relaxed); }
int64_t HeldBytes() { return held.load(std::memory_order_relaxed); }

}  // namespace p2p::testing

// The other forms of new and delete end here.
void* operator new(size_t size) {
  return p2p::testing::Take(std::malloc(std::max<size_t>(size, 1)));
}
void* operator new(size_t size, std::align_val_t alignment) {
  const auto a = static_cast<size_t>(alignment);
  return p2p::testing::Take(std::aligned_alloc(a, (std::max<size_t>(size, 1) + a - 1) / a * a));
}
// Of a sanitizer's forms not all do.
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  void* const memory = std::malloc(std::max<size_t>(size, 1));
  return memory == nullptr ? nullptr : p2p::testing::Take(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  p2p::testing::GiveBack(memory);
}
void operator delete(void* memory) noexcept { p2p::testing::GiveBack(memory); }
void operator delete(void* memory, size_t) noexcept { p2p::testing::GiveBack(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { p2p::testing::GiveBack(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  p2p::testing::GiveBack(memory);
}
