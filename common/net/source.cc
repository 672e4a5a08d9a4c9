#include "common/net/source.h"

#include <algorithm>

namespace p2p::net {

IpAddress SourceOf(const IpAddress& address) {
  if (address.is_v4()) return address;
  std::array<uint8_t, 16> bytes{};
  std::copy_n(address.bytes().begin(), 8, bytes.begin());
  return IpAddress::FromBytes(bytes).value_or(address);
}

}  // namespace p2p::net
