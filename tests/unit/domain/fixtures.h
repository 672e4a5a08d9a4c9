// Names, addresses and ids that the stories of the peering tests share.
#pragma once

#include <string>

#include "common/base/check.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/net/address.h"
#include "control-server/domain/viewpoint.h"

namespace p2p::server {

inline net::IpAddress Ip(absl::string_view text) {
  const auto ip = net::IpAddress::Parse(text);
  P2P_CHECK(ip.has_value());
  return *ip;
}
template <class IdType>
IdType IdOf(uint8_t n) {
  IdType id;
  id.bytes.fill(n);
  return id;
}
inline ConnId Conn(uint8_t n) { return IdOf<ConnId>(n); }

inline const UserId kAlice = IdOf<UserId>(1);
inline const UserId kBob = IdOf<UserId>(2);
inline const UserId kCarol = IdOf<UserId>(3);

inline ActiveUser Client(UserId user, absl::string_view name, absl::string_view ip) {
  return ActiveUser{.user = user, .username = std::string(name), .seen = Ip(ip)};
}

inline constexpr MonoTime kStart{Duration{1h}};
inline constexpr WallTime kWall = WallFromMs(1'700'000'000'000);

}  // namespace p2p::server
