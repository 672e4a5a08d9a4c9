#include "control-server/domain/rate_limit.h"

#include "common/net/source.h"

namespace p2p::server {

SignupLimit::Answer SignupLimit::Take(const net::IpAddress& address, MonoTime now) {
  constexpr int kAll = 0;
  const bool counted = !address.IsLoopback();
  const net::IpAddress source = net::SourceOf(address);
  if (counted) {
    const Duration wait = sources_.Wait(source, now);
    if (wait > Duration::zero()) return {Verdict::kSourceWaits, wait};
  }
  const Duration wait = total_.Wait(kAll, now);
  if (wait > Duration::zero()) return {Verdict::kAllWait, wait};
  if (counted) sources_.Take(source, now);
  total_.Take(kAll, now);
  return {};
}

}  // namespace p2p::server
