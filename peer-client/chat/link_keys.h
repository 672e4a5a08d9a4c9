// What both sides derive from an introduction, and what proves it (proto/PEER_LINK.md). Pure.
#pragma once

#include "common/base/id.h"
#include "common/base/secret.h"
#include "common/crypto/hash.h"
#include "common/wire/introduction.h"

namespace p2p::client {

// A party's place in the introduction, for the whole life of the link.
enum class LinkRole : uint8_t { kRequester = 1, kTarget = 2 };
constexpr LinkRole OtherRole(LinkRole role) {
  return role == LinkRole::kRequester ? LinkRole::kTarget : LinkRole::kRequester;
}

using LinkSecret = Secret<wire::kLinkSize>;
using KnockKey = Secret<32>;
using KnockBytes = std::array<uint8_t, wire::kKnockSize>;
using KnockRandom = std::array<uint8_t, wire::kKnockRandomSize>;

LinkSecret DeriveLink(const wire::Introduction& introduction);
KnockKey DeriveKnockKey(const LinkSecret& link);

// The first 32 bytes of every connection: random ‖ mac.
KnockBytes MakeKnock(const KnockKey& key, const RequestId& intro_id, LinkRole dialler,
                     const KnockRandom& random);
// In constant time.
bool KnockMatches(const KnockKey& key, const RequestId& intro_id, LinkRole dialler,
                  const KnockBytes& knock);

// Binds the link to one TLS connection. `role` is the sender's.
crypto::Digest256 HelloMac(ByteView link, ByteView exporter, LinkRole role);

}  // namespace p2p::client
