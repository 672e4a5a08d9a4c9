#include "udp-relay/core/register_limiter.h"

namespace p2p::relay {
namespace {

constexpr size_t kIpv6SourceBytes = 8;  // A /64.

// A mixer in the manner of splitmix64; the key is secret, collisions cost fairness only.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

}  // namespace

RegisterLimiter::RegisterLimiter(const RelayOptions& options, Random& random)
    : key_(random.U64()),
      places_(kPlaces,
              reliable::TokenBucket(options.register_source_rate, options.register_source_burst)),
      total_(options.register_total_rate, options.register_total_rate) {}

bool RegisterLimiter::SourceExhausted(const net::IpAddress& source, MonoTime now) {
  return !PlaceOf(source).Has(1, now);
}

void RegisterLimiter::ChargeSource(const net::IpAddress& source, MonoTime now) {
  (void)PlaceOf(source).Take(1, now);
}

reliable::TokenBucket& RegisterLimiter::PlaceOf(const net::IpAddress& source) {
  const ByteView bytes = source.bytes();
  uint64_t hash = key_;
  for (const uint8_t b : bytes.first(std::min(bytes.size(), kIpv6SourceBytes))) {
    hash = Mix(hash ^ b);
  }
  return places_[hash % kPlaces];
}

}  // namespace p2p::relay
