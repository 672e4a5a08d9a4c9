// Bounds what strangers and broken clients can make the relay do before they have proved anything.
#pragma once

#include <vector>

#include "common/base/random.h"
#include "common/net/address.h"
#include "common/reliable/token_bucket.h"
#include "udp-relay/core/relay_options.h"

namespace p2p::relay {

// A table of fixed size under a keyed hash: sources that share a place share its allowance, and
// nobody can choose whose. A source is an IPv4 address or an IPv6 /64.
//
// A source pays for REGISTERs whose mac is wrong only. Those with a right mac are bounded per
// session instead: many clients may live behind one address, and knowing a psk is what a stranger
// lacks.
class RegisterLimiter {
 public:
  RegisterLimiter(const RelayOptions& options, Random& random);
  // No allowance left: do not even check the mac.
  bool SourceExhausted(const net::IpAddress& source, MonoTime now);
  void ChargeSource(const net::IpAddress& source, MonoTime now);
  // Takes one of the answers to all sources together.
  bool TakeAnswer(MonoTime now) { return total_.Take(1, now); }

 private:
  static constexpr size_t kPlaces = 4096;
  reliable::TokenBucket& PlaceOf(const net::IpAddress& source);
  uint64_t key_;
  std::vector<reliable::TokenBucket> places_;
  reliable::TokenBucket total_;
};

}  // namespace p2p::relay
