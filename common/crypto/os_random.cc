#include "common/crypto/os_random.h"

#include <openssl/rand.h>

#include "common/base/check.h"

namespace p2p::crypto {

void OsRandom::Fill(std::span<uint8_t> out) {
  P2P_CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

}  // namespace p2p::crypto
