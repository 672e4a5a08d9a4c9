// What kind of text somebody typed as the target of a peer request. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/net/address.h"

namespace p2p::server {

enum class TargetKind {
  kName,            // Has the shape of a username; nothing is said about an account.
  kAddress,         // An address that a client can have. Loopback is one: the viewer decides.
  kSpecialAddress,  // Unspecified, multicast, broadcast: nobody's.
  kGarbage,         // Cannot be what the field asks for.
};

struct Target {
  TargetKind kind = TargetKind::kGarbage;
  std::string name;   // kName: as typed.
  net::IpAddress ip;  // kAddress, kSpecialAddress; v4-mapped as IPv4.
};

// The caller says by the field which of the two it means: an address in the name field is garbage,
// and so is a name in the address field. Both are for text within its length that is not empty.
Target ClassifyName(absl::string_view text);
Target ClassifyAddress(absl::string_view text);

}  // namespace p2p::server
