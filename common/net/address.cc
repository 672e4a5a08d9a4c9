#include "common/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace p2p::net {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

std::optional<uint16_t> ParsePort(absl::string_view text) {
  uint32_t port = 0;
  if (text.empty() || text.size() > 5 || !absl::SimpleAtoi(text, &port) || port > 65535) {
    return std::nullopt;
  }
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

std::optional<IpAddress> IpAddress::FromBytes(ByteView bytes) {
  IpAddress out;
  if (bytes.size() == 16 && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    bytes = bytes.subspan(12);
  }
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  out.v4_ = bytes.size() == 4;
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
  return out;
}

std::optional<IpAddress> IpAddress::Parse(absl::string_view text) {
  const std::string zero_terminated(text);
  if (zero_terminated.find('\0') != std::string::npos) return std::nullopt;
  std::array<uint8_t, 16> raw{};
  if (inet_pton(AF_INET, zero_terminated.c_str(), raw.data()) == 1) {
    return FromBytes(ByteView(raw).first(4));
  }
  if (inet_pton(AF_INET6, zero_terminated.c_str(), raw.data()) == 1) return FromBytes(raw);
  return std::nullopt;
}

IpAddress IpAddress::V4(uint32_t host_order) {
  IpAddress out;
  for (size_t i = 0; i < 4; ++i) {
    out.bytes_[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  }
  return out;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

bool IpAddress::IsUnspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}
bool IpAddress::IsLoopback() const { return v4_ ? bytes_[0] == 127 : *this == *Parse("::1"); }
bool IpAddress::IsMulticast() const { return v4_ ? (bytes_[0] & 0xF0) == 0xE0 : bytes_[0] == 0xFF; }
bool IpAddress::IsLinkLocal() const {
  return v4_ ? bytes_[0] == 169 && bytes_[1] == 254
             : bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80;
}
bool IpAddress::IsBroadcast() const { return v4_ && *this == V4(0xFFFFFFFF); }
bool IpAddress::IsPrivate() const {
  if (!v4_) return (bytes_[0] & 0xFE) == 0xFC;
  return bytes_[0] == 10 || (bytes_[0] == 172 && (bytes_[1] & 0xF0) == 16) ||
         (bytes_[0] == 192 && bytes_[1] == 168) || (bytes_[0] == 100 && (bytes_[1] & 0xC0) == 64);
}

bool IpAddress::SharesPrefix(const IpAddress& other, int bits) const {
  if (v4_ != other.v4_ || bits > (v4_ ? 32 : 128)) return false;
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const auto mask = static_cast<uint8_t>(bits >= 8 ? 0xFF : 0xFF << (8 - bits));
    if ((bytes_[i] & mask) != (other.bytes_[i] & mask)) return false;
  }
  return true;
}

std::optional<SocketAddress> SocketAddress::Parse(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  const auto port = ParsePort(text.substr(colon + 1));
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  if (!bracketed && absl::StrContains(host, ':')) return std::nullopt;
  const auto ip = IpAddress::Parse(host);
  if (!ip || !port) return std::nullopt;
  return SocketAddress{*ip, *port};
}

std::optional<SocketAddress> SocketAddress::FromSockaddr(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &storage, sizeof in);
    return SocketAddress{IpAddress::V4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, &storage, sizeof in6);
    return SocketAddress{*IpAddress::FromBytes(ByteView(in6.sin6_addr.s6_addr, 16)),
                         ntohs(in6.sin6_port)};
  }
  return std::nullopt;
}

uint32_t SocketAddress::ToSockaddr(sockaddr_storage& storage, bool as_v6) const {
  std::memset(&storage, 0, sizeof storage);
  if (ip.is_v4() && !as_v6) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.bytes().data(), 4);
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  uint8_t* out = in6.sin6_addr.s6_addr;
  if (ip.is_v4()) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), out);
    out += kMappedPrefix.size();
  }
  std::memcpy(out, ip.bytes().data(), ip.bytes().size());
  std::memcpy(&storage, &in6, sizeof in6);
  return sizeof in6;
}

std::string SocketAddress::ToString() const {
  return ip.is_v4() ? absl::StrCat(ip.ToString(), ":", port)
                    : absl::StrCat("[", ip.ToString(), "]:", port);
}

std::optional<SocketAddress> ParseGrpcPeer(absl::string_view peer) {
  if (absl::ConsumePrefix(&peer, "ipv4:")) return SocketAddress::Parse(peer);
  if (absl::ConsumePrefix(&peer, "ipv6:")) {
    return SocketAddress::Parse(absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}}));
  }
  return std::nullopt;
}

}  // namespace p2p::net
