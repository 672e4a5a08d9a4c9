#include "peer-client/chat/knock_guard.h"

#include <algorithm>

namespace p2p::client {

bool KnockGuard::Add(const RequestId& intro_id, const LinkSecret& link, LinkRole my_role) {
  if (links_.contains(intro_id)) return true;
  if (links_.size() >= wire::kMaxLiveLinks) return false;
  links_.emplace(
      intro_id,
      Link{.key = DeriveKnockKey(link), .dialler = OtherRole(my_role), .seen = {}, .order = {}});
  return true;
}

bool KnockGuard::Remember(Link& link, const KnockRandom& random) {
  if (!link.seen.insert(random).second) return false;
  link.order.push_back(random);
  if (link.order.size() > wire::kKnockMemory) {
    link.seen.erase(link.order.front());
    link.order.pop_front();
  }
  return true;
}

KnockGuard::Result KnockGuard::Check(const KnockBytes& knock) {
  Result result;
  Link* match = nullptr;
  for (auto& [id, link] : links_) {
    if (!KnockMatches(link.key, id, link.dialler, knock)) continue;
    result.link = id;
    match = &link;
  }
  if (match == nullptr) return result;
  KnockRandom random;
  std::copy_n(knock.begin(), random.size(), random.begin());
  result.verdict = Remember(*match, random) ? Verdict::kAccepted : Verdict::kRepeated;
  return result;
}

}  // namespace p2p::client
