#include "peer-client/chat/introduction_check.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace p2p::client {

void NonceMemory::Add(const wire::IntroNonce& nonce, WallTime now, Duration limit) {
  nonces_.push_back({nonce, now, limit});
  if (nonces_.size() > kMax) nonces_.pop_front();
}

std::optional<Duration> NonceMemory::Limit(const wire::IntroNonce& nonce) const {
  for (const Given& given : nonces_) {
    if (given.nonce == nonce) return given.limit;
  }
  return std::nullopt;
}

void NonceMemory::Remove(const wire::IntroNonce& nonce) {
  std::erase_if(nonces_, [&](const Given& given) { return given.nonce == nonce; });
}

//   memory:  (nonce 16   given at, ms, u64   limit, ns, u64)*
Bytes NonceMemory::Serialize() const {
  ByteWriter out;
  for (const Given& given : nonces_) {
    out.Append(given.nonce)
        .U64(static_cast<uint64_t>(ToMs(given.at)))
        .U64(static_cast<uint64_t>(given.limit.count()));
  }
  return out.Release();
}

NonceMemory NonceMemory::Parse(ByteView bytes, WallTime now) {
  NonceMemory out;
  ByteReader in(bytes);
  while (in.ok() && in.remaining() > 0) {
    const auto nonce = in.Array<wire::kNonceSize>();
    const WallTime at = WallFromMs(static_cast<int64_t>(in.U64()));
    const Duration limit(static_cast<int64_t>(in.U64()));
    if (!in.ok()) return {};
    const bool fresh = at <= now && at >= now - kKept && limit >= Duration::zero();
    if (fresh) out.Add(nonce, at, limit);
  }
  return out;
}

absl::StatusOr<CheckedIntroduction> CheckIntroduction(const IntroductionInput& input) {
  if (!crypto::VerifySignature(input.introducer_key, input.signed_object, input.signature)) {
    return absl::InvalidArgumentError("the introduction's signature is not the server's");
  }
  auto introduction = wire::Introduction::Parse(input.signed_object);
  if (!introduction) return absl::InvalidArgumentError("the introduction cannot be decoded");
  if (introduction->min_proto > wire::kPeerLinkVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the conversation needs peer link version ", introduction->min_proto,
                     "; this client speaks ", wire::kPeerLinkVersion, ": update it"));
  }
  const auto is_me = [&](const wire::IntroducedParty& party) {
    return party.device_key == input.device_key &&
           absl::EqualsIgnoreCase(party.name, input.username);
  };
  const bool requester = is_me(introduction->requester);
  const bool target = is_me(introduction->target);
  const bool same_key = introduction->requester.device_key == introduction->target.device_key;
  if (requester == target || same_key || introduction->requester.uid == introduction->target.uid) {
    return absl::FailedPreconditionError("the introduction is not for this user and device");
  }
  return CheckedIntroduction{.introduction = *std::move(introduction),
                             .role = requester ? LinkRole::kRequester : LinkRole::kTarget};
}

absl::StatusOr<LinkRecord> MakeLinkRecord(const CheckedIntroduction& checked,
                                          const NonceMemory& nonces, WallTime approval_until) {
  const wire::Introduction& introduction = checked.introduction;
  const bool requested = checked.role == LinkRole::kRequester;
  const auto& me = requested ? introduction.requester : introduction.target;
  const auto& peer = requested ? introduction.target : introduction.requester;
  if (!nonces.Limit(me.nonce)) {
    return absl::FailedPreconditionError("the introduction answers no request of this client");
  }
  const bool requester_controls = introduction.controller == wire::LinkController::kRequester;
  LinkRecord record{.id = introduction.id,
                    .we_requested = requested,
                    .we_control = requester_controls == requested,
                    .me = me,
                    .peer = peer,
                    .secret = DeriveLink(introduction),
                    .approval_until = approval_until};
  record.me.nonce = {};
  record.peer.nonce = {};
  return record;
}

}  // namespace p2p::client
