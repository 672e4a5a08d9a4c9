#include "common/crypto/os_random.h"

#include <sys/random.h>

#include <cerrno>

#include "common/base/check.h"

namespace p2p::crypto {

void OsRandom::Fill(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    P2P_CHECK(n > 0);
    out = out.subspan(static_cast<size_t>(n));
  }
}

}  // namespace p2p::crypto
