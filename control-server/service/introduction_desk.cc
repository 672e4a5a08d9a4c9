#include "control-server/service/introduction_desk.h"

#include <algorithm>
#include <utility>

#include "asio/post.hpp"
#include "common/base/log.h"
#include "common/wire/introduction.h"

namespace p2p::server {
namespace {

wire::IntroducedParty Introduced(const RequestParty& party, const Viewpoint& other) {
  wire::IntroducedParty out;
  out.uid = party.user;
  out.name = party.username;
  out.device_key = party.offer.device_key;
  out.observed = AddressFor(other, party.offer.view.own);
  out.chat_port = party.offer.chat_port;
  out.candidates = party.offer.candidates;
  out.nonce = party.offer.nonce;
  return out;
}

}  // namespace

void IntroductionDesk::Issue(const PeerRequest& request, absl::AnyInvocable<void(bool)> done) {
  IntroductionRecord record;
  record.id = request.id;
  record.requester = request.requester.user;
  record.target = request.target.user;
  record.signed_object = Make(request).Serialize();
  record.signature = introducer_.Sign(record.signed_object);
  record.created_at = clock_.Wall();
  store_.Submit([record](Store& s) { return s.PutIntroduction(record); },
                [this, record, done = std::move(done)](const absl::Status& stored) mutable {
                  if (!stored.ok()) {
                    LogWarning("introduction_not_stored", {{"error", stored.ToString()}});
                  }
                  asio::post(io_, [this, record = std::move(record), done = std::move(done),
                                   durable = stored.ok()]() mutable {
                    if (durable) Keep(std::move(record), clock_.Mono());
                    done(durable);
                  });
                });
}

std::vector<IntroductionRecord> IntroductionDesk::UnackedFor(UserId party) const {
  std::vector<IntroductionRecord> unacked;
  const auto ids = by_party_.find(party);
  if (ids == by_party_.end()) return unacked;
  for (const RequestId& id : ids->second) {
    const Kept& kept = kept_.at(id);
    const bool acked =
        kept.record.requester == party ? kept.record.requester_acked : kept.record.target_acked;
    const bool fresh = clock_.Mono() - kept.since < timing_.request_memory;
    if (!acked && fresh) unacked.push_back(kept.record);
  }
  std::sort(unacked.begin(), unacked.end(), [](const auto& a, const auto& b) {
    return std::pair(a.created_at, a.id) < std::pair(b.created_at, b.id);
  });
  return unacked;
}

const IntroductionRecord* IntroductionDesk::Find(RequestId id) const {
  const auto it = kept_.find(id);
  return it == kept_.end() ? nullptr : &it->second.record;
}

void IntroductionDesk::Ack(RequestId id, UserId party) {
  const auto it = kept_.find(id);
  if (it == kept_.end()) return;
  IntroductionRecord& record = it->second.record;
  if (record.requester != party && record.target != party) return;
  bool& acked = record.requester == party ? record.requester_acked : record.target_acked;
  if (std::exchange(acked, true)) return;
  // Not durable: sent again after a restart, which the client answers again.
  store_.Submit([id, party](Store& s) { return s.AckIntroduction(id, party); },
                [](const absl::Status&) {});
  if (record.requester_acked && record.target_acked) Erase(id);
}

void IntroductionDesk::Load(const std::vector<IntroductionRecord>& records) {
  for (const IntroductionRecord& record : records) {
    const Duration age = std::max<Duration>(clock_.Wall() - record.created_at, Duration::zero());
    if (age < timing_.request_memory) Keep(record, clock_.Mono() - age);
  }
}

void IntroductionDesk::Forget() {
  const MonoTime now = clock_.Mono();
  std::vector<RequestId> old;
  for (const auto& [id, kept] : kept_) {
    if (now - kept.since >= timing_.request_memory) old.push_back(id);
  }
  for (const RequestId& id : old) Erase(id);
  const WallTime before =
      clock_.Wall() - std::chrono::ceil<std::chrono::milliseconds>(timing_.request_memory);
  store_.Submit([before](Store& s) { return s.DropIntroductionsBefore(before); },
                [](const absl::Status&) {});  // Tried again next time.
}

wire::Introduction IntroductionDesk::Make(const PeerRequest& request) const {
  wire::Introduction out;
  out.id = request.id;
  out.issued = clock_.Wall();
  out.expires = out.issued + std::chrono::ceil<std::chrono::milliseconds>(timing_.approval);
  out.requester = Introduced(request.requester, request.target.offer.view);
  out.target = Introduced(request.target, request.requester.offer.view);
  out.controller = wire::LinkController::kRequester;
  return out;
}

void IntroductionDesk::Keep(IntroductionRecord record, MonoTime since) {
  by_party_[record.requester].insert(record.id);
  by_party_[record.target].insert(record.id);
  const RequestId id = record.id;
  kept_[id] = Kept{std::move(record), since};
}

void IntroductionDesk::Erase(RequestId id) {
  const auto it = kept_.find(id);
  for (const UserId& party : {it->second.record.requester, it->second.record.target}) {
    const auto ids = by_party_.find(party);
    ids->second.erase(id);
    if (ids->second.empty()) by_party_.erase(ids);
  }
  kept_.erase(it);
}

std::optional<IntroducedPair> PartiesOf(const IntroductionRecord& record) {
  const auto object = wire::Introduction::Parse(record.signed_object);
  if (!object) return std::nullopt;
  const auto party = [](const wire::IntroducedParty& p) {
    return RequestParty{.user = p.uid, .username = p.name, .offer = {}};
  };
  return IntroducedPair{party(object->requester), party(object->target)};
}

}  // namespace p2p::server
