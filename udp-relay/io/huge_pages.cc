#include "udp-relay/io/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace p2p::relay {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t Alignment(size_t bytes, size_t alignment) {
  return bytes >= kHugePage ? std::max(alignment, kHugePage) : alignment;
}

}  // namespace

void* HugePages::do_allocate(size_t bytes, size_t alignment) {
  void* out = ::operator new(bytes, std::align_val_t(Alignment(bytes, alignment)));
  // Advice: without huge pages it works as well.
  if (bytes >= kHugePage) (void)::madvise(out, bytes, MADV_HUGEPAGE);
  return out;
}

void HugePages::do_deallocate(void* memory, size_t bytes, size_t alignment) {
  ::operator delete(memory, std::align_val_t(Alignment(bytes, alignment)));
}

}  // namespace p2p::relay
