// The operating system's random numbers, by getrandom(2). Thread-safe. Crashes when there is
// no entropy.
#pragma once

#include "common/base/random.h"

namespace p2p::crypto {

class OsRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override;
};

}  // namespace p2p::crypto
