#include "control-server/domain/target.h"

#include "control-server/domain/names.h"

namespace p2p::server {

Target ClassifyName(absl::string_view text) {
  if (!HasUsernameShape(text)) return Target{};
  return Target{.kind = TargetKind::kName, .name = std::string(text), .ip = {}};
}

Target ClassifyAddress(absl::string_view text) {
  const auto ip = net::IpAddress::Parse(text);
  if (!ip) return Target{};
  const bool special = ip->IsUnspecified() || ip->IsMulticast() || ip->IsBroadcast();
  return Target{
      .kind = special ? TargetKind::kSpecialAddress : TargetKind::kAddress, .name = {}, .ip = *ip};
}

}  // namespace p2p::server
