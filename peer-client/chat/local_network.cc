#include "peer-client/chat/local_network.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <bit>
#include <cstring>
#include <memory>

namespace p2p::client {
namespace {

std::optional<net::SocketAddress> ToAddress(const sockaddr* raw) {
  if (raw == nullptr) return std::nullopt;
  const bool v4 = raw->sa_family == AF_INET;
  if (!v4 && raw->sa_family != AF_INET6) return std::nullopt;
  sockaddr_storage storage{};
  std::memcpy(&storage, raw, v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return net::SocketAddress::FromSockaddr(storage);
}

// The kernel's masks are contiguous: the number of ones is the prefix length.
int PrefixLength(const sockaddr* mask, bool v4) {
  if (mask == nullptr) return v4 ? 32 : 128;
  int bits = 0;
  if (v4) {
    sockaddr_in in;
    std::memcpy(&in, mask, sizeof in);
    return std::popcount(in.sin_addr.s_addr);
  }
  sockaddr_in6 in6;
  std::memcpy(&in6, mask, sizeof in6);
  for (const uint8_t byte : in6.sin6_addr.s6_addr) bits += std::popcount(byte);
  return bits;
}

}  // namespace

std::vector<LocalAddress> LocalAddresses() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(raw, &::freeifaddrs);
  std::vector<LocalAddress> out;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    const auto address = ToAddress(entry->ifa_addr);
    if (!address || (entry->ifa_flags & IFF_UP) == 0) continue;
    out.push_back({address->ip, PrefixLength(entry->ifa_netmask, address->ip.is_v4())});
  }
  return out;
}

}  // namespace p2p::client
