// Where randomness enters. Production: crypto::OsRandom. Tests and simulations: a seeded one, so
// that every run replays.
#pragma once

#include <random>
#include <span>

#include "common/base/id.h"

namespace p2p {

// Thread-safety: as the implementation says.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<uint8_t> out) = 0;

  uint64_t U64() {
    std::array<uint8_t, 8> raw;
    Fill(raw);
    return ByteReader(raw).U64();
  }
  // Uniform in [0, n), n > 0. The modulo bias is below n / 2^64.
  uint64_t Below(uint64_t n) { return U64() % n; }
  // Uniform in [0, 1).
  double Unit() { return static_cast<double>(U64() >> 11) * 0x1.0p-53; }
  template <class IdType>
  IdType NewId() {
    IdType id;
    Fill(id.bytes);
    return id;
  }
  template <size_t N>
  std::array<uint8_t, N> Array() {
    std::array<uint8_t, N> out;
    Fill(out);
    return out;
  }
};

// Repeatable, not for secrets, not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    for (auto& b : out) b = static_cast<uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace p2p
