// Who is meant by the target of a peer request, as its sender sees the world. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-server/domain/address_memory.h"
#include "control-server/domain/penalty.h"
#include "control-server/domain/presence.h"
#include "control-server/domain/target.h"
#include "control-server/domain/viewpoint.h"

namespace p2p::server {

struct Resolution {
  enum class Kind {
    kPeer,             // `peer` is active and meant.
    kNeedsAccount,     // Nobody active has that name: ask the store whether the account exists.
    kInactiveAddress,  // Somebody was active there lately, `left_at` says until when.
    kAmbiguous,        // Several users share the address: `names`.
    kJustStarted,      // The server does not know yet who was where.
    kOffence,
  };
  Kind kind = Kind::kOffence;
  std::optional<ActiveUser> peer;
  std::vector<std::string> names;  // Sorted.
  WallTime left_at;
  Offence offence = Offence::kMalformed;
};

struct Asker {
  UserId user;
  std::string username;
  Viewpoint view;
};

// `just_started`: the memory of addresses may be incomplete, so that an address not in it proves
// nothing.
Resolution Resolve(const Target& target, const Asker& asker, const Presence& presence,
                   const AddressMemory& memory, bool just_started, MonoTime now);

}  // namespace p2p::server
