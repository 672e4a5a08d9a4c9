// The introduction of two clients, signed by the server's introducer key (proto/PEER_LINK.md).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/base/id.h"
#include "common/base/time.h"
#include "common/net/address.h"
#include "common/wire/peer_link_limits.h"

namespace p2p::wire {

using DeviceKey = std::array<uint8_t, kDeviceKeySize>;
using IntroNonce = std::array<uint8_t, kNonceSize>;

struct IntroducedParty {
  UserId uid;
  std::string name;      // As spelled at sign-up, 3 to 32 bytes of the username alphabet.
  DeviceKey device_key;  // Ed25519.
  // Where the server saw this party, as the *other* party can reach it: a client on the server's
  // loopback appears there only to another one on loopback.
  net::IpAddress observed;
  uint16_t chat_port = 0;                      // 0: does not listen; else >= 1024.
  std::vector<net::SocketAddress> candidates;  // At most 4, ports >= 1024. Claimed, not observed.
  IntroNonce nonce;
  bool operator==(const IntroducedParty&) const = default;
};

// Who sends SELECT.
enum class LinkController : uint8_t { kRequester = 1, kTarget = 2 };

//   "p2p-intro-v1"  intro_id 16  issued u64  expires u64  requester  target  controller u8
//   min_proto u16
//   party:   uid 16  name (u8 length, bytes)  device_key 32  observed  chat_port u16
//            count u8  {address  port u16} * count  nonce 16
//   address: u8 length (4 or 16), bytes
// Times are milliseconds since 1970 UTC by the server's clock; clients use them for display only.
struct Introduction {
  RequestId id;
  WallTime issued;
  WallTime expires;
  IntroducedParty requester;
  IntroducedParty target;
  LinkController controller = LinkController::kRequester;
  uint16_t min_proto = kPeerLinkVersion;

  // nullopt for anything but one complete object within all limits.
  static std::optional<Introduction> Parse(ByteView in);
  // The fields must be within the limits (P2P_CHECK): validate what came from clients before.
  Bytes Serialize() const;
  std::string ToString() const;  // No keys, no nonces.
  bool operator==(const Introduction&) const = default;
};

}  // namespace p2p::wire
