#include "peer-client/chat/address_rule.h"

#include <algorithm>

namespace p2p::client {
namespace {

using net::IpAddress;

bool InV4(const IpAddress& ip, uint32_t network, int bits) {
  return ip.is_v4() && ip.SharesPrefix(IpAddress::V4(network), bits);
}

// "This network" (RFC 1122), and IPv6's unspecified and v4-compatible range (RFC 4291 §2.5.5.1).
bool IsUnspecifiedRange(const IpAddress& ip) {
  static const IpAddress kUnspecifiedV6 = *IpAddress::Parse("::");
  if (ip.is_v4()) return InV4(ip, 0, 8);
  return ip.SharesPrefix(kUnspecifiedV6, 96) && !ip.IsLoopback();
}

bool IsLastOf(const IpAddress& ip, const LocalAddress& network) {
  if (!ip.is_v4() || network.prefix >= 31 || !ip.SharesPrefix(network.ip, network.prefix)) {
    return false;
  }
  const uint32_t value = ByteReader(ip.bytes()).U32();
  const uint32_t host_bits = 0xFFFFFFFFu >> network.prefix;
  return (value & host_bits) == host_bits;
}

bool IsBroadcast(const IpAddress& ip, const LocalView& local) {
  return InV4(ip, 0xF0000000, 4) ||
         std::ranges::any_of(local.addresses,
                             [&](const LocalAddress& network) { return IsLastOf(ip, network); });
}

bool IsOnLink(const IpAddress& ip, const LocalView& local) {
  return std::ranges::any_of(local.addresses, [&](const LocalAddress& network) {
    return network.prefix > 0 && ip.SharesPrefix(network.ip, network.prefix);
  });
}

bool IsOurs(const IpAddress& ip, const LocalView& local) {
  return ip.IsLoopback() ||
         std::ranges::any_of(local.addresses, [&](const LocalAddress& a) { return a.ip == ip; });
}

bool IsOwnListener(const net::SocketAddress& address, const LocalView& local) {
  return IsOurs(address.ip, local) &&
         std::ranges::find(local.listening_ports, address.port) != local.listening_ports.end();
}

}  // namespace

absl::string_view DialVerdictText(DialVerdict verdict) {
  switch (verdict) {
    case DialVerdict::kDial:
      return "allowed";
    case DialVerdict::kUnspecified:
      return "refused: unspecified address";
    case DialVerdict::kMulticast:
      return "refused: multicast address";
    case DialVerdict::kBroadcast:
      return "refused: broadcast address";
    case DialVerdict::kLinkLocal:
      return "refused: link-local address";
    case DialVerdict::kLowPort:
      return "refused: port below 1024";
    case DialVerdict::kOwnListener:
      return "refused: our own chat port";
    case DialVerdict::kLoopback:
      return "refused: loopback address";
    case DialVerdict::kPrivate:
      return "refused: private address outside our networks";
    case DialVerdict::kNotPrivate:
      return "refused: claimed, and not on one of our networks";
  }
  return "";
}

DialVerdict JudgeAddress(const net::SocketAddress& address, AddressOrigin origin,
                         const wire::IntroducedParty& me, const wire::IntroducedParty& peer,
                         const LocalView& local) {
  const IpAddress& ip = address.ip;
  if (IsUnspecifiedRange(ip)) return DialVerdict::kUnspecified;
  if (ip.IsMulticast()) return DialVerdict::kMulticast;
  if (IsBroadcast(ip, local)) return DialVerdict::kBroadcast;
  if (ip.IsLinkLocal()) return DialVerdict::kLinkLocal;
  if (address.port < wire::kMinChatPort) return DialVerdict::kLowPort;
  if (IsOwnListener(address, local)) return DialVerdict::kOwnListener;
  if (ip.IsLoopback()) {
    const bool both = me.observed.IsLoopback() && peer.observed.IsLoopback();
    return both && origin == AddressOrigin::kObserved ? DialVerdict::kDial : DialVerdict::kLoopback;
  }
  if (origin == AddressOrigin::kClaimed) {
    return ip.IsPrivate() && IsOnLink(ip, local) ? DialVerdict::kDial : DialVerdict::kNotPrivate;
  }
  if (ip.IsPrivate() && !IsOnLink(ip, local)) {
    const bool both = me.observed.IsPrivate() && peer.observed.IsPrivate();
    return both ? DialVerdict::kDial : DialVerdict::kPrivate;
  }
  return DialVerdict::kDial;
}

DialPlan PlanDial(const wire::IntroducedParty& me, const wire::IntroducedParty& peer,
                  const LocalView& local) {
  DialPlan plan;
  const auto consider = [&](const net::SocketAddress& address, AddressOrigin origin) {
    if (std::ranges::find(plan.dial, address) != plan.dial.end()) return;
    const DialVerdict verdict = JudgeAddress(address, origin, me, peer, local);
    if (verdict == DialVerdict::kDial) {
      plan.dial.push_back(address);
    } else {
      plan.refused.emplace_back(address, verdict);
    }
  };
  if (peer.chat_port != 0) consider({peer.observed, peer.chat_port}, AddressOrigin::kObserved);
  for (const auto& candidate : peer.candidates) consider(candidate, AddressOrigin::kClaimed);
  return plan;
}

}  // namespace p2p::client
