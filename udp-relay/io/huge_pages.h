// Memory in huge pages where the kernel grants them: with thousands of sessions, looking up small
// pages took a twentieth of the relay's time.
#pragma once

#include <memory_resource>

namespace p2p::relay {

// For few and large blocks, such as those of a pool. Thread-safe.
class HugePages final : public std::pmr::memory_resource {
 private:
  void* do_allocate(size_t bytes, size_t alignment) override;
  void do_deallocate(void* memory, size_t bytes, size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

}  // namespace p2p::relay
