#include "control-server/service/request_flow.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/post.hpp"
#include "common/base/text.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;
using Opening = PeerRequests::Opening;

grpc::Status StatusOf(const Opening& opening) {
  switch (opening.kind) {
    case Opening::Kind::kOpened:
    case Opening::Kind::kCrossed:
    case Opening::Kind::kJoined:
      return grpc::Status::OK;
    case Opening::Kind::kOpen:
      return grpc::Status(StatusCode::ALREADY_EXISTS, "a request to this user is open already");
    case Opening::Kind::kTooMany:
      return WithRetryInfo(StatusCode::RESOURCE_EXHAUSTED, "too many peer requests",
                           opening.retry_after);
    case Opening::Kind::kRepeated:
      return WithRetryInfo(StatusCode::RESOURCE_EXHAUSTED,
                           "the last request to this user ended too short a time ago",
                           opening.retry_after);
  }
  return grpc::Status(StatusCode::INTERNAL, "");
}

}  // namespace

void RequestFlow::Ask(RequestPeerOrder order, RequestPeerDone done) {
  auto job = std::make_shared<Job>(Job{std::move(order), std::move(done)});
  if (grpc::Status refused = CheckCaller(*job); !refused.ok()) return Answer(*job, refused);

  const Caller& caller = *job->order.caller;
  const Asker asker{caller.user, caller.username, job->order.view};
  const Resolution r = board_.Resolve(job->order.fields.target, asker);
  switch (r.kind) {
    case Resolution::Kind::kPeer:
      return Open(*job, *r.peer);
    case Resolution::Kind::kNeedsAccount:
      return LookUp(std::move(job));
    case Resolution::Kind::kInactiveAddress:
      return Answer(*job,
                    grpc::Status(StatusCode::NOT_FOUND,
                                 absl::StrCat("nobody is active at that address now; left at ",
                                              FormatRfc3339(r.left_at))));
    case Resolution::Kind::kAmbiguous:
      return Answer(*job, grpc::Status(StatusCode::FAILED_PRECONDITION,
                                       absl::StrCat("several users share that address: ",
                                                    absl::StrJoin(r.names, ", "))));
    case Resolution::Kind::kJustStarted:
      return Answer(*job, WithRetryInfo(StatusCode::UNAVAILABLE,
                                        "the server has just started and does not know that "
                                        "address yet; try again in a minute",
                                        timing_.just_started));
    case Resolution::Kind::kOffence:
      return Punish(*job, r.offence);
  }
}

grpc::Status RequestFlow::CheckCaller(Job& job) const {
  const Caller& caller = *job.order.caller;
  // It was valid when the call came in, but an order before this one may have cost it.
  if (!sessions_.Lives(caller.session())) {
    return grpc::Status(StatusCode::UNAUTHENTICATED, "the session has ended: please log in");
  }
  if (const auto cooldown = penalties_.CooldownOf(caller.user)) return PenaltyStatus(*cooldown);
  const AttachedClient* client = clients_.Find(caller.user);
  const bool same_session =
      client != nullptr && client->channel->caller->session() == caller.session();
  job.chat_port = same_session ? client->chat_port : caller.token.chat_port;
  if (job.chat_port == 0) {
    return grpc::Status(StatusCode::FAILED_PRECONDITION,
                        "chat_endpoint is required at log-in or Attach");
  }
  return grpc::Status::OK;
}

void RequestFlow::LookUp(JobPtr job) {
  store_.Read([name = job->order.fields.target.name](Store& s) { return s.FindAccount(name); },
              [this, job](absl::StatusOr<Account> account) {
                asio::post(io_,
                           [this, job, account = std::move(account)] { OnAccount(*job, account); });
              });
}

void RequestFlow::OnAccount(Job& job, const absl::StatusOr<Account>& account) {
  // The world may have moved on while the store was asked.
  if (grpc::Status refused = CheckCaller(job); !refused.ok()) return Answer(job, refused);
  if (absl::IsNotFound(account.status())) return Punish(job, Offence::kUnknownName);
  if (!account.ok()) return Answer(job, StoreFailure(account.status()));
  if (const ActiveUser* peer = board_.presence().Find(account->id)) return Open(job, *peer);
  std::string text = absl::StrCat(account->username, " is not active");
  if (const auto left = board_.LastActive(account->id)) {
    text = absl::StrCat(account->username, " left at ", FormatRfc3339(*left));
  }
  Answer(job, grpc::Status(StatusCode::NOT_FOUND, text));
}

void RequestFlow::Open(Job& job, const ActiveUser& peer) {
  const Caller& caller = *job.order.caller;
  RequestParty requester{.user = caller.user, .username = caller.username, .offer = {}};
  requester.offer = PartyOffer{.device_key = caller.token.device_key,
                               .nonce = job.order.fields.nonce,
                               .chat_port = job.chat_port,
                               .candidates = job.order.fields.candidates,
                               .view = job.order.view};
  const std::string name = peer.username;
  const Opening opening = requests_.Open(
      std::move(requester), RequestParty{.user = peer.user, .username = name, .offer = {}},
      job.order.fields.reason);
  RequestPeerReply reply;
  reply.status = StatusOf(opening);
  if (reply.status.ok()) {
    const PeerRequest* request = requests_.FindFor(opening.id, caller.user);
    const Duration left = request->expires - clock_.Mono();
    reply.id = opening.id;
    reply.peer = name;
    reply.expires_at = clock_.Wall() + std::chrono::floor<std::chrono::milliseconds>(left);
  }
  job.done(reply);  // Before the outcome can reach anybody.
  requests_.Proceed(opening);
}

void RequestFlow::Punish(Job& job, Offence offence) {
  const Caller& caller = *job.order.caller;
  const auto penalty = penalties_.Punish(caller, offence);
  RequestPeerReply reply;
  reply.status = PenaltyStatus(penalty);
  reply.close_connection = true;
  job.done(reply);
  if (board_.UserOf(caller.session())) {
    attachments_.Expel(caller.user, PenaltyEvent(penalty), reply.status, true);
  }
}

void RequestFlow::Answer(Job& job, grpc::Status status) {
  RequestPeerReply reply;
  reply.status = std::move(status);
  job.done(reply);
}

}  // namespace p2p::server
