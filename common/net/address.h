// IP addresses and socket addresses as values. Pure: no sockets, no name resolution.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/bytes.h"

struct sockaddr_storage;

namespace p2p::net {

// An IPv4 or IPv6 address without zone. v4-mapped IPv6 is always held as IPv4.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  // nullopt unless `text` is exactly an address (no port, no zone, no brackets, no leading zeros).
  static std::optional<IpAddress> Parse(absl::string_view text);
  static IpAddress V4(uint32_t host_order);
  // 4 or 16 bytes in network order.
  static std::optional<IpAddress> FromBytes(ByteView bytes);

  bool is_v4() const { return v4_; }
  ByteView bytes() const { return ByteView(bytes_).first(v4_ ? 4 : 16); }
  std::string ToString() const;  // RFC 5952.

  bool IsUnspecified() const;
  bool IsLoopback() const;
  bool IsMulticast() const;
  bool IsLinkLocal() const;  // 169.254/16 (cloud metadata among them), fe80::/10.
  bool IsBroadcast() const;  // 255.255.255.255
  bool IsPrivate() const;    // RFC 1918, RFC 6598, RFC 4193.
  // True when both are of one family and share the first `bits` bits.
  bool SharesPrefix(const IpAddress& other, int bits) const;

  auto operator<=>(const IpAddress&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.v4_, a.bytes_);
  }

 private:
  bool v4_ = true;
  std::array<uint8_t, 16> bytes_{};
};

struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  // "10.0.0.7:4400", "[::1]:4400". Port required.
  static std::optional<SocketAddress> Parse(absl::string_view text);
  // nullopt for families other than AF_INET and AF_INET6.
  static std::optional<SocketAddress> FromSockaddr(const sockaddr_storage& storage);
  // Fills `storage` as AF_INET, or as AF_INET6 (v4-mapped when needed) for `as_v6`; returns the
  // length.
  uint32_t ToSockaddr(sockaddr_storage& storage, bool as_v6 = false) const;
  std::string ToString() const;

  auto operator<=>(const SocketAddress&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const SocketAddress& a) {
    return H::combine(std::move(h), a.ip, a.port);
  }
};

// gRPC's peer() text: "ipv4:1.2.3.4:5", "ipv6:%5B::1%5D:5".
std::optional<SocketAddress> ParseGrpcPeer(absl::string_view peer);

}  // namespace p2p::net
