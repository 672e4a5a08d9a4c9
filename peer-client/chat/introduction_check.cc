#include "peer-client/chat/introduction_check.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace p2p::client {

void NonceMemory::Add(const wire::IntroNonce& nonce, Duration limit) {
  nonces_.emplace_back(nonce, limit);
  if (nonces_.size() > kMax) nonces_.pop_front();
}

std::optional<Duration> NonceMemory::Limit(const wire::IntroNonce& nonce) const {
  for (const auto& [known, limit] : nonces_) {
    if (known == nonce) return limit;
  }
  return std::nullopt;
}

void NonceMemory::Remove(const wire::IntroNonce& nonce) {
  std::erase_if(nonces_, [&](const auto& entry) { return entry.first == nonce; });
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
