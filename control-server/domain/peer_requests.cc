#include "control-server/domain/peer_requests.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace p2p::server {

using Kind = PeerRequests::Opening::Kind;

absl::string_view StateName(RequestState state) {
  switch (state) {
    case RequestState::kPending:
      return "pending";
    case RequestState::kApproved:
      return "approved";
    case RequestState::kDenied:
      return "denied";
    case RequestState::kExpired:
      return "expired";
    case RequestState::kCancelled:
      return "cancelled";
    case RequestState::kUnavailable:
      return "unavailable";
  }
  return "";
}

PeerRequests::PeerRequests(const config::Timing& timing) : timing_(timing) {}

PeerRequests::Opening PeerRequests::Open(RequestId id, RequestParty requester, RequestParty target,
                                         std::string reason, MonoTime now) {
  P2P_CHECK(requester.user != target.user);
  Tick(now);
  if (auto crossing = Cross(requester, target.user, now)) return *crossing;
  if (auto refusal = Refusal(requester.user, target.user, now)) return *refusal;
  Entry entry;
  entry.request.id = id;
  entry.request.requester = std::move(requester);
  entry.request.target = std::move(target);
  entry.request.reason = std::move(reason);
  entry.request.expires = now + timing_.request_expiry;
  entry.deadline = entry.request.expires;
  Insert(std::move(entry));
  return Opening{.kind = Kind::kOpened, .id = id};
}

std::optional<PeerRequests::Opening> PeerRequests::Cross(const RequestParty& requester,
                                                         UserId target, MonoTime now) {
  for (const RequestId& id : IdsOf(requester.user)) {
    const PeerRequest& other = FindEntry(id)->request;
    if (!other.open() || other.requester.user != target) continue;
    const Answer answer = Approve(id, requester.user, requester.offer, now);
    return Opening{.kind = answer == Answer::kDone ? Kind::kCrossed : Kind::kJoined, .id = id};
  }
  return std::nullopt;
}

std::optional<PeerRequests::Opening> PeerRequests::Refusal(UserId requester, UserId target,
                                                           MonoTime now) const {
  size_t open = 0;
  size_t remembered = 0;
  MonoTime first_free = MonoTime::max();       // When one of the open ones is over at the latest.
  MonoTime first_forgotten = MonoTime::max();  // When one of the remembered ones goes.
  for (const RequestId& id : IdsOf(requester)) {
    const Entry& entry = requests_.at(id);
    if (entry.request.requester.user != requester) continue;
    const bool same_pair = entry.request.target.user == target;
    ++remembered;
    if (entry.request.open()) {
      if (same_pair) return Opening{.kind = Kind::kOpen, .id = id};
      ++open;
      first_free = std::min(first_free, entry.request.expires);
    } else {
      const MonoTime again = entry.finished + timing_.request_repeat;
      if (same_pair && now < again) {
        return Opening{.kind = Kind::kRepeated, .id = id, .retry_after = again - now};
      }
      first_forgotten = std::min(first_forgotten, entry.deadline);
    }
  }
  if (open >= kMaxOpen) return Opening{Kind::kTooMany, RequestId{}, first_free - now};
  if (remembered >= kMaxRemembered) {
    return Opening{Kind::kTooMany, RequestId{}, first_forgotten - now};
  }
  return std::nullopt;
}

PeerRequests::Answer PeerRequests::Approve(RequestId id, UserId by, PartyOffer offer,
                                           MonoTime now) {
  Tick(now);
  Entry* entry = FindEntry(id);
  if (entry == nullptr || entry->request.target.user != by) return Answer::kNoSuch;
  PeerRequest& request = entry->request;
  if (request.committing || request.state == RequestState::kApproved) return Answer::kRepeated;
  if (request.state != RequestState::kPending) return Answer::kTooLate;
  request.target.offer = std::move(offer);
  request.committing = true;
  SetDeadline(*entry, std::nullopt);  // Decided: Committed follows, whatever happens.
  return Answer::kDone;
}

PeerRequests::Answer PeerRequests::Deny(RequestId id, UserId by, MonoTime now) {
  Tick(now);
  Entry* entry = FindEntry(id);
  if (entry == nullptr || entry->request.target.user != by) return Answer::kNoSuch;
  if (entry->request.state == RequestState::kDenied) return Answer::kRepeated;
  if (entry->request.state != RequestState::kPending || entry->request.committing) {
    return Answer::kTooLate;
  }
  Finish(*entry, RequestState::kDenied, now);
  return Answer::kDone;
}

PeerRequests::Answer PeerRequests::Cancel(RequestId id, UserId by, MonoTime now) {
  Tick(now);
  Entry* entry = FindEntry(id);
  if (entry == nullptr || entry->request.requester.user != by) return Answer::kNoSuch;
  if (entry->request.state == RequestState::kCancelled) return Answer::kRepeated;
  if (entry->request.state != RequestState::kPending || entry->request.committing) {
    return Answer::kTooLate;
  }
  Finish(*entry, RequestState::kCancelled, now);
  return Answer::kDone;
}

void PeerRequests::Committed(RequestId id, bool durable, MonoTime now) {
  Entry* entry = FindEntry(id);
  P2P_CHECK(entry != nullptr && entry->request.committing);
  entry->request.committing = false;
  Finish(*entry, durable ? RequestState::kApproved : RequestState::kUnavailable, now);
}

void PeerRequests::PartyLeft(UserId user, MonoTime now) {
  Tick(now);
  for (const RequestId& id : IdsOf(user)) {
    Entry& entry = *FindEntry(id);
    if (entry.request.state != RequestState::kPending || entry.request.committing) continue;
    Finish(entry, RequestState::kUnavailable, now);
  }
}

void PeerRequests::Tick(MonoTime now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const RequestId id = deadlines_.begin()->second;
    Entry& entry = *FindEntry(id);
    if (entry.request.state == RequestState::kPending) {
      // Counted from the deadline, not from when somebody looked.
      Finish(entry, RequestState::kExpired, entry.deadline);
    } else {
      Forget(id);
    }
  }
}

std::optional<MonoTime> PeerRequests::NextDeadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void PeerRequests::Restore(RequestId id, RequestParty requester, RequestParty target,
                           MonoTime now) {
  if (requests_.contains(id)) return;
  Entry entry;
  entry.request.id = id;
  entry.request.requester = std::move(requester);
  entry.request.target = std::move(target);
  entry.request.state = RequestState::kApproved;
  entry.finished = now;
  entry.deadline = now + timing_.request_memory;
  Insert(std::move(entry));
}

const PeerRequest* PeerRequests::Find(RequestId id) const {
  const auto it = requests_.find(id);
  return it == requests_.end() ? nullptr : &it->second.request;
}

const PeerRequest* PeerRequests::FindFor(RequestId id, UserId party) const {
  const PeerRequest* request = Find(id);
  if (request == nullptr) return nullptr;
  const bool is_party = request->requester.user == party || request->target.user == party;
  return is_party ? request : nullptr;
}

std::vector<const PeerRequest*> PeerRequests::PendingFor(UserId target) const {
  std::vector<const PeerRequest*> pending;
  for (const RequestId& id : IdsOf(target)) {
    const PeerRequest& request = requests_.at(id).request;
    if (request.target.user == target && request.state == RequestState::kPending &&
        !request.committing) {
      pending.push_back(&request);
    }
  }
  std::sort(pending.begin(), pending.end(), [](const PeerRequest* a, const PeerRequest* b) {
    return std::pair(a->expires, a->id) < std::pair(b->expires, b->id);
  });
  return pending;
}

std::vector<PeerRequests::Outcome> PeerRequests::TakeOutcomes() {
  return std::exchange(outcomes_, {});
}

std::vector<RequestId> PeerRequests::UntoldOutcomes(UserId user) const {
  std::vector<RequestId> untold;
  for (const RequestId& id : IdsOf(user)) {
    const Entry& entry = requests_.at(id);
    const size_t side = entry.request.requester.user == user ? 0 : 1;
    if (!entry.request.open() && !entry.telling[side].told) untold.push_back(id);
  }
  return untold;
}

void PeerRequests::MarkTold(RequestId id, UserId party, ConnId conn, MonoTime now) {
  if (Telling* telling = TellingOf(id, party)) *telling = {.told = true, .conn = conn, .at = now};
}

void PeerRequests::ConnectionBroke(UserId user, ConnId conn, MonoTime now) {
  for (const RequestId& id : IdsOf(user)) {
    Telling& telling = *TellingOf(id, user);
    if (telling.told && telling.conn == conn && now - telling.at < kUncertain) telling.told = false;
  }
}

PeerRequests::Entry* PeerRequests::FindEntry(RequestId id) {
  const auto it = requests_.find(id);
  return it == requests_.end() ? nullptr : &it->second;
}

PeerRequests::Telling* PeerRequests::TellingOf(RequestId id, UserId party) {
  Entry* entry = FindEntry(id);
  if (entry == nullptr) return nullptr;
  return &entry->telling[entry->request.requester.user == party ? 0 : 1];
}

std::vector<RequestId> PeerRequests::IdsOf(UserId user) const {
  const auto it = by_user_.find(user);
  if (it == by_user_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

void PeerRequests::Insert(Entry entry) {
  const RequestId id = entry.request.id;
  by_user_[entry.request.requester.user].insert(id);
  by_user_[entry.request.target.user].insert(id);
  deadlines_.emplace(entry.deadline, id);
  const bool fresh = requests_.emplace(id, std::move(entry)).second;
  P2P_CHECK(fresh);
}

void PeerRequests::Finish(Entry& entry, RequestState state, MonoTime now) {
  entry.request.state = state;
  entry.finished = now;
  SetDeadline(entry, now + std::max(timing_.request_memory, timing_.request_repeat));
  outcomes_.push_back({entry.request.id, entry.request.requester.user});
  outcomes_.push_back({entry.request.id, entry.request.target.user});
}

void PeerRequests::SetDeadline(Entry& entry, std::optional<MonoTime> deadline) {
  deadlines_.erase({entry.deadline, entry.request.id});
  if (!deadline) return;
  entry.deadline = *deadline;
  deadlines_.emplace(entry.deadline, entry.request.id);
}

void PeerRequests::Forget(RequestId id) {
  const auto it = requests_.find(id);
  for (const UserId& user : {it->second.request.requester.user, it->second.request.target.user}) {
    const auto ids = by_user_.find(user);
    ids->second.erase(id);
    if (ids->second.empty()) by_user_.erase(ids);
  }
  deadlines_.erase({it->second.deadline, id});
  requests_.erase(it);
}

}  // namespace p2p::server
