// Counts what operator new hands out, in the whole program: link p2p_counted_memory.
#pragma once

#include <cstdint>

namespace p2p::testing {

// Calls so far.
uint64_t Allocations();
// Bytes held now, with what the allocator itself takes for them.
int64_t HeldBytes();

// What happens to memory within some calls, of a program that does other things between them.
class MemoryWithin {
 public:
  template <class Call>
  auto operator()(const Call& call) {
    const Part part(*this);
    return call();
  }
  uint64_t allocations() const { return allocations_; }
  int64_t held() const { return held_; }  // More than before the first of them.

 private:
  struct Part {
    explicit Part(MemoryWithin& whole)
        : total(whole), allocations(Allocations()), held(HeldBytes()) {}
    ~Part() {
      total.allocations_ += Allocations() - allocations;
      total.held_ += HeldBytes() - held;
    }
    MemoryWithin& total;
    uint64_t allocations;
    int64_t held;
  };
  uint64_t allocations_ = 0;
  int64_t held_ = 0;
};

}  // namespace p2p::testing
