// Which addresses of an introduction a client dials: a server, or a peer that lies about its
// candidates, must not turn clients into port scanners of their own networks. Pure.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "common/net/address.h"
#include "common/wire/introduction.h"

namespace p2p::client {

// An address of this machine and the length of its network's prefix.
struct LocalAddress {
  net::IpAddress ip;
  int prefix = 0;
};

struct LocalView {
  std::vector<LocalAddress> addresses;
  std::vector<uint16_t> listening_ports;  // Ours.
};

enum class DialVerdict {
  kDial,
  kUnspecified,  // 0.0.0.0/8, ::/96 but for ::1.
  kMulticast,
  kBroadcast,    // 255.255.255.255, the last address of an own network, 240.0.0.0/4.
  kLinkLocal,    // 169.254/16 (cloud metadata), fe80::/10.
  kLowPort,      // Below 1024.
  kOwnListener,  // We would talk to ourselves.
  kLoopback,     // Unless the server saw both parties on loopback.
  kPrivate,      // Neither on one of our networks nor seen as private by the server for both.
  kNotPrivate,   // A claimed candidate that is no private address on one of our networks.
};
absl::string_view DialVerdictText(DialVerdict verdict);  // "refused: loopback address", …

enum class AddressOrigin { kObserved, kClaimed };

DialVerdict JudgeAddress(const net::SocketAddress& address, AddressOrigin origin,
                         const wire::IntroducedParty& me, const wire::IntroducedParty& peer,
                         const LocalView& local);

struct DialPlan {
  std::vector<net::SocketAddress> dial;  // Observed address first, no address twice.
  std::vector<std::pair<net::SocketAddress, DialVerdict>> refused;
};
// The addresses of `peer`. Empty `dial` when it does not listen or nothing is allowed.
DialPlan PlanDial(const wire::IntroducedParty& me, const wire::IntroducedParty& peer,
                  const LocalView& local);

}  // namespace p2p::client
