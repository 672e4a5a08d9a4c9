#include "control-server/service/request_desk.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control-server/service/channel_events.h"
#include "control-server/service/peering_fields.h"

namespace p2p::server {

using Answer = PeerRequests::Answer;
using Kind = PeerRequests::Opening::Kind;

PeerRequests::Opening RequestDesk::Open(RequestParty requester, RequestParty target,
                                        std::string reason) {
  return requests_.Open(random_.NewId<RequestId>(), std::move(requester), std::move(target),
                        std::move(reason), clock_.Mono());
}

void RequestDesk::Proceed(const PeerRequests::Opening& opening) {
  if (opening.kind == Kind::kOpened) Show(*requests_.Find(opening.id));
  if (opening.kind == Kind::kCrossed) StartApproval(opening.id);
  TellOutcomes();  // Open may have noticed an expiry.
}

void RequestDesk::Approve(const AttachedClient& by, const v1::Approve& approve) {
  const auto fields = CheckApprove(approve);
  if (!fields.ok()) {
    return Reject(by, approve.request_id(), std::string(fields.status().message()));
  }
  const PartyOffer offer{.device_key = by.channel->caller->token.device_key,
                         .nonce = fields->nonce,
                         .chat_port = by.chat_port,
                         .candidates = fields->candidates,
                         .view = by.channel->view};
  const Answer answer =
      requests_.Approve(fields->id, by.channel->caller->user, offer, clock_.Mono());
  Answered(by, approve.request_id(), fields->id, answer);
  if (answer == Answer::kDone) StartApproval(fields->id);
}

void RequestDesk::Deny(const AttachedClient& by, const v1::Deny& deny) {
  const auto id = CheckRequestId(deny.request_id());
  if (!id.ok()) return Reject(by, deny.request_id(), std::string(id.status().message()));
  Answered(by, deny.request_id(), *id,
           requests_.Deny(*id, by.channel->caller->user, clock_.Mono()));
}

void RequestDesk::Cancel(const AttachedClient& by, const v1::Cancel& cancel) {
  const auto id = CheckRequestId(cancel.request_id());
  if (!id.ok()) return Reject(by, cancel.request_id(), std::string(id.status().message()));
  Answered(by, cancel.request_id(), *id,
           requests_.Cancel(*id, by.channel->caller->user, clock_.Mono()));
}

void RequestDesk::OnAttached(UserId user) {
  requests_.Tick(clock_.Mono());
  TellOutcomes();
  for (const PeerRequest* request : requests_.PendingFor(user)) Show(*request);
  for (const RequestId& id : requests_.UntoldOutcomes(user)) Tell(id, user);
  for (const IntroductionRecord& record : introductions_.UnackedFor(user)) {
    clients_.Push(user, IntroductionEvent(record, user));
  }
}

void RequestDesk::OnBroken(UserId user, ConnId conn) {
  requests_.ConnectionBroke(user, conn, clock_.Mono());
}

void RequestDesk::OnLeft(UserId user) {
  requests_.PartyLeft(user, clock_.Mono());
  TellOutcomes();
}

void RequestDesk::Tick() {
  requests_.Tick(clock_.Mono());
  TellOutcomes();
}

void RequestDesk::Restore(const IntroductionRecord& record, IntroducedPair parties) {
  const MonoTime now = clock_.Mono();
  requests_.Restore(record.id, std::move(parties.requester), std::move(parties.target), now);
  if (record.requester_acked) requests_.MarkTold(record.id, record.requester, ConnId{}, now);
  if (record.target_acked) requests_.MarkTold(record.id, record.target, ConnId{}, now);
}

void RequestDesk::Reject(const AttachedClient& by, const std::string& request_id,
                         const std::string& why) {
  by.channel->outbox->Push(RejectedEvent(request_id, why));
}

void RequestDesk::Answered(const AttachedClient& by, const std::string& request_id, RequestId id,
                           Answer answer) {
  TellOutcomes();
  switch (answer) {
    case Answer::kDone:
    case Answer::kRepeated:
      return;
    case Answer::kNoSuch:
      return Reject(by, request_id, "there is no such request for you to answer");
    case Answer::kTooLate: {
      const PeerRequest* request = requests_.Find(id);
      const RequestState state = request->committing ? RequestState::kApproved : request->state;
      return Reject(by, request_id, absl::StrCat("the request is already ", StateName(state)));
    }
  }
}

void RequestDesk::StartApproval(RequestId id) {
  introductions_.Issue(*requests_.Find(id), [this, id](bool durable) {
    requests_.Committed(id, durable, clock_.Mono());
    TellOutcomes();
    const IntroductionRecord* record = introductions_.Find(id);
    if (!durable || record == nullptr) return;
    for (const UserId& party : {record->requester, record->target}) {
      clients_.Push(party, IntroductionEvent(*record, party));
    }
  });
}

void RequestDesk::Show(const PeerRequest& request) {
  const AttachedClient* target = clients_.Find(request.target.user);
  if (target == nullptr) return;  // In grace: shown when he is back.
  const auto shown = AddressFor(target->channel->view, request.requester.offer.view.own);
  target->channel->outbox->Push(PeerRequestEvent(request, shown, request.expires - clock_.Mono()));
}

void RequestDesk::TellOutcomes() {
  for (const auto& [id, party] : requests_.TakeOutcomes()) Tell(id, party);
}

void RequestDesk::Tell(RequestId id, UserId party) {
  const AttachedClient* client = clients_.Find(party);
  const PeerRequest* request = requests_.Find(id);
  if (client == nullptr || request == nullptr) return;  // Told when he is back, while remembered.
  if (!client->channel->outbox->Push(OutcomeEvent(*request, party))) return;
  requests_.MarkTold(id, party, client->conn, clock_.Mono());
}

}  // namespace p2p::server
