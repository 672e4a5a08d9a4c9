// What AppModel does with answers and with what comes on the channel.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "peer-client/app/app_model.h"
#include "peer-client/app/model_parts.h"

namespace p2p::client {
namespace {

constexpr int kMaxRepeats = 5;
constexpr Duration kUnansweredPause = 2s;  // Before a broadcast without an answer is repeated.

}  // namespace

// Answers -------------------------------------------------------------------------------------

// The current call failed. Limits are waited for, lost broadcasts are repeated, the rest is told.
void AppModel::Fail(const CallError& error, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  // Whether it counts is not known, and asking again with the same key does no harm.
  const bool repeatable = Is<cmd::Broadcast>(current_->command) && !context_.options.one_shot &&
                          error.code == absl::StatusCode::kUnavailable && !error.retry_after;
  if (!error.answered || repeatable) return LoseCurrent(error, now);
  ServerCommand command = std::move(*current_);
  current_.reset();
  const bool credentials = Is<cmd::Login>(command.command);
  std::optional<Duration> wait = error.retry_after;
  // A cool-down after penalties: the log-in is repeated when it is over. A server that does not say
  // how long that is says when.
  if (!wait && credentials && error.penalty && error.penalty->until) {
    wait = *error.penalty->until - session_.ByServersClock(now).wall;
  }
  if (wait && command.repeats < kMaxRepeats) {
    ++command.repeats;
    const Duration in = std::max<Duration>(*wait, 100ms);
    context_.out.Show(
        out::Retry{in, command.repeats, kMaxRepeats, RetryReason::kLimited, error.message});
    if (queue_.Later(std::move(command), now.mono + in)) return Pump(now);
  }
  if (error.penalty && !credentials) {
    session_.OnPenalty(*error.penalty, now);
    return AfterSessionChange(now);
  }
  context_.out.Show(out::Error{CodeName(error.code), error.message, ""});
  Pump(now);
}

// The call under way will have no answer.
void AppModel::LoseCurrent(const CallError& error, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  ServerCommand command = std::move(*current_);
  current_.reset();
  const bool login = Is<cmd::Login>(command.command);
  if (Is<cmd::Broadcast>(command.command)) {
    const auto again =
        session_.attached() ? std::optional(now.mono + kUnansweredPause) : std::nullopt;
    if (!queue_.Later(std::move(command), again)) {
      Error(absl::StatusCode::kResourceExhausted, "too many broadcasts wait already");
    }
  } else if (login && command.repeats < kMaxRepeats) {
    ++command.repeats;
    queue_.PushFront(std::move(command));  // Runs when the server is back.
  } else if (const auto* list = std::get_if<cmd::List>(&command.command); !list || !list->silent) {
    context_.out.Show(out::Error{CodeName(error.code), error.message, ""});
  }
  if (!session_.attached()) session_.OnNoAnswer(error, now);
  Pump(now);
}

void AppModel::OnProbe(const Outcome<std::string>& fingerprint, Now now) {
  session_.OnProbe(fingerprint, now);
  if (session_.phase() == SessionFlow::Phase::kAskingTrust) {
    prompts_.Ask(TrustServer{std::get<std::string>(fingerprint)});
  }
  FinishIfDone();
}

void AppModel::OnHello(const Outcome<HelloInfo>& hello, Now now) {
  session_.OnHello(hello, now);
  Pump(now);
}

void AppModel::OnSignup(const Outcome<SignupInfo>& result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  const std::string username = *std::get<cmd::Signup>(current_->command).username;
  current_.reset();
  context_.out.Show(out::SignedUp{username, std::get<SignupInfo>(result).message});
  Pump(now);
}

void AppModel::OnLogin(Outcome<Session> result, Now now) {
  if (!current_ || session_.phase() != SessionFlow::Phase::kLoggingIn) return;
  const AnswerScope scope(answering_, current_->caller);
  if (const auto* error = std::get_if<CallError>(&result)) {
    if (error->answered) session_.OnLoginFailed();
    return Fail(*error, now);
  }
  session_.OnLoggedIn(std::move(std::get<Session>(result)), now);
  current_.reset();
  Pump(now);
}

void AppModel::OnResumed(Outcome<Session> result, Now now) {
  session_.OnResumed(std::move(result), now);
  AfterSessionChange(now);
}

void AppModel::OnLogout(const Outcome<Done>& result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  current_.reset();
  session_.OnLoggedOut(now);
  AfterSessionChange(now);
}

void AppModel::OnList(Outcome<std::vector<out::ActiveClient>> result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  const bool silent = std::get<cmd::List>(current_->command).silent;
  if (const auto* error = std::get_if<CallError>(&result)) {
    if (!silent) return Fail(*error, now);
    // Limited: the request behind it waits as long as told, and then looks again.
    if (error->retry_after && !queue_.empty() && Is<cmd::Request>(queue_.front().command)) {
      current_ = queue_.Pop();
      return Fail(*error, now);
    }
    requests_.SetActive({}, now.mono);  // The request behind it is asked about instead.
  } else {
    auto& clients = std::get<std::vector<out::ActiveClient>>(result);
    requests_.SetActive(clients, now.mono);
    context_.peers.Found(clients);
    if (!silent) context_.out.Show(out::Active{std::move(clients), broadcast_life_});
  }
  current_.reset();
  Pump(now);
}

void AppModel::OnRequest(const Outcome<RequestInfo>& result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  const auto& info = std::get<RequestInfo>(result);
  current_.reset();
  requests_.AddOutgoing(info, context_.options.timing.request_expiry, now.mono);
  context_.out.Show(out::RequestSent{info.request_id, info.peer});
  Pump(now);
}

// A channel that was lost may have taken outcomes with it, and a server that crashed has none.
void AppModel::AskWhatBecameOfRequests(Now) {
  ask_again_.reset();
  if (asked_about_ || !session_.attached()) return;
  asked_about_ = requests_.NextDoubtful();
  if (asked_about_) context_.control.RequestStatus(asked_about_->request_id);
}

void AppModel::OnRequestStatus(const Outcome<RequestStatusInfo>& result, Now now) {
  if (!asked_about_) return;
  const RequestBook::Doubtful asked = *std::exchange(asked_about_, std::nullopt);
  if (const auto* error = std::get_if<CallError>(&result)) {
    // Pending requests do not outlive the server's process.
    const bool gone = error->answered && error->code == absl::StatusCode::kNotFound;
    if (!gone) {
      ask_again_ =
          now.mono + std::max<Duration>(error->retry_after.value_or(kUnansweredPause), 100ms);
      return;
    }
    ShowOutcome(asked.request_id, asked.peer, "unavailable");
  } else if (const auto& info = std::get<RequestStatusInfo>(result); info.state == "pending") {
    requests_.Confirm(asked.request_id);
  } else {
    ShowOutcome(asked.request_id, asked.peer, info.state);
  }
  AskWhatBecameOfRequests(now);
}

// Each request has one, however often and on whichever way it is told.
void AppModel::ShowOutcome(const std::string& request_id, std::string peer, std::string outcome) {
  if (!requests_.Close(request_id, peer)) return;
  context_.out.Show(out::RequestOutcome{request_id, std::move(peer), std::move(outcome)});
}

void AppModel::OnBroadcast(const Outcome<BroadcastInfo>& result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  const auto& info = std::get<BroadcastInfo>(result);
  last_broadcast_ = info.id;
  if (context_.options.plain && current_->caller == 0) {
    // An answer that came late, or to a repetition, is of a broadcast that has lived for a while.
    progress_.Follow(info.id, info.expires_at - ServerTime(now), now.mono);
  }
  current_.reset();
  context_.out.Show(out::BroadcastSent{info.id, info.expires_at});
  Pump(now);
}

void AppModel::OnBroadcastStatus(Outcome<out::BroadcastStatus> result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  const auto* asked = std::get_if<cmd::BroadcastStatus>(&current_->command);
  const bool silent = asked != nullptr && asked->silent;
  if (const auto* error = std::get_if<CallError>(&result)) {
    if (!silent) return Fail(*error, now);
    progress_.Forget(asked->id);  // It cannot be told any more; nobody asked.
    current_.reset();
    return Pump(now);
  }
  current_.reset();
  auto& status = std::get<out::BroadcastStatus>(result);
  const auto news = progress_.OnStatus(status, now.mono);
  if (!silent) {
    context_.out.Show(std::move(status));
  } else if (news) {
    context_.out.Show(*news);
  }
  Pump(now);
}

void AppModel::OnPenalties(Outcome<out::Penalties> result, Now now) {
  if (!current_) return;
  const AnswerScope scope(answering_, current_->caller);
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  current_.reset();
  context_.out.Show(std::move(std::get<out::Penalties>(result)));
  Pump(now);
}

void AppModel::OnInbound(const Outcome<InboundInfo>& result, Now now) {
  doctor_.OnInbound(result, now);
  ShowDiagnosis(now);
}

// The channel ---------------------------------------------------------------------------------

void AppModel::OnChannelEvent(const ChannelEvent& channel_event, Now now) {
  std::visit(
      Overload{
          [&](const event::Attached& attached) { OnAttached(attached, now); },
          [&](const event::PeerRequest& request) { OnPeerRequest(request, now); },
          [&](const event::RequestOutcome& outcome) {
            ShowOutcome(outcome.request_id, outcome.peer, outcome.outcome);
          },
          [&](const event::Introduction& introduction) { OnIntroduction(introduction); },
          [&](const event::PenaltyNotice& notice) {
            session_.OnPenalty(notice.penalty, now);
            AfterSessionChange(now);
          },
          [&](const event::RelayRestarted& restarted) {
            context_.broadcasts.RelayRestarted(restarted);
          },
          [&](const event::Broadcast& broadcast) {
            const auto status = context_.broadcasts.OnChannelBroadcast(broadcast);
            if (status.ok()) return AckBroadcast(broadcast.id);
            Error(status.code(), absl::StrCat("broadcast: ", status.message()));
          },
          [&](const event::BroadcastRevoked& revoked) { TakeBackAndSayWhetherItWasHere(revoked); },
          [&](const event::Detached& detached) { session_.OnDetached(detached); },
          [&](const event::Rejected& rejected) {
            requests_.Drop(rejected.request_id);
            Error(absl::StatusCode::kFailedPrecondition, rejected.message);
          }},
      channel_event);
}

void AppModel::OnPeerRequest(const event::PeerRequest& request, Now now) {
  if (talk_.Ignores(request.from)) return;  // Left to expire.
  if (!requests_.AddIncoming(request, now.mono)) {
    // Shown again after an attach: if it was answered, the answer did not get through.
    if (const auto answer = requests_.AnswerOf(request.request_id)) {
      SendAnswer(request.request_id, *answer);
    }
    return;
  }
  const bool automatic = talk_.AcceptsByItself(request.from);
  context_.out.Show(out::PeerRequest{request.request_id, request.from, request.ip_address,
                                     request.reason, request.expires_in, automatic,
                                     IdentityOf(request.from)});
  if (!automatic) return;
  const RequestBook::Answer answer{true, {}};
  requests_.NoteAnswer(request.request_id, answer);
  SendAnswer(request.request_id, answer);
}

void AppModel::OnIntroduction(const event::Introduction& introduction) {
  if (!session_.session()) return;
  const auto status = context_.peers.Introduce(introduction, *session_.session());
  if (status.ok()) return context_.control.AckIntroduction(introduction.request_id);
  Error(status.code(), std::string(status.message()));
  // A conversation with that name may be open, by its old key.
  const std::string peer = requests_.PeerOf(introduction.request_id);
  if (IdentityOf(peer) != "changed") return;
  if (const auto identity = context_.peers.Identity(peer); identity.ok()) {
    context_.out.Show(*identity);
  }
}

void AppModel::OnAttached(const event::Attached& attached, Now now) {
  server_time_ = attached.server_time;
  attached_at_ = now.mono;
  broadcast_life_ = attached.broadcast_retention;
  session_.OnAttached(attached, now);
  doctor_.OnAttached(attached, now);
  refind_.Begin(now.mono);
  AskWhatBecameOfRequests(now);
  queue_.ReleaseHeld();
  Pump(now);
}

// By the server's clock, whatever this machine's says; a server that did not tell it: by ours.
WallTime AppModel::ServerTime(Now now) const {
  if (server_time_ == WallTime{}) return now.wall;
  return server_time_ + std::chrono::duration_cast<WallTime::duration>(now.mono - attached_at_);
}

// Who has it says so: his acknowledgement may have been lost.
void AppModel::TakeBackAndSayWhetherItWasHere(const event::BroadcastRevoked& revoked) {
  if (context_.broadcasts.OnRevoked(revoked)) AckBroadcast(revoked.id);
}

void AppModel::AckBroadcast(const std::string& id) {
  context_.control.AckBroadcast(id, context_.broadcasts.Via(id));
}

void AppModel::OnChannelEnd(const CallError& error, Now now) {
  session_.OnChannelEnd(error, now);
  AfterSessionChange(now);
}

// The session may be gone, and the connection with it: nothing that depended on it goes on.
void AppModel::AfterSessionChange(Now now) {
  if (!session_.attached()) {
    doctor_.OnLost();
    requests_.DoubtAll();
    if (!session_.session()) requests_.DropAll();
    asked_about_.reset();
    ask_again_.reset();
    requests_.ForgetList();
    if (session_.phase() != SessionFlow::Phase::kServed) {
      CallError lost{absl::StatusCode::kUnavailable,
                     "the connection to the server was lost",
                     false,
                     std::nullopt,
                     std::nullopt,
                     std::nullopt};
      // A penalty answers the request that earned it.
      if (!session_.session() && current_ && Is<cmd::Request>(current_->command)) current_.reset();
      LoseCurrent(lost, now);
    }
  }
  Pump(now);
}

// A conversation that was just agreed on, or the first one of before the start. Others come back at
// any moment, also while somebody types.
void AppModel::TakeIntoView(const out::ChatOpen& opened) {
  if (!context_.options.plain || !focus_.empty()) return;
  if (opened.reopened && had_focus_) return;
  had_focus_ = true;
  focus_ = opened.peer;
}

// Beside a name stands what is known of its key. A conversation goes on by the key with which it
// was approved, also when another one was offered since: that is to be seen.
void AppModel::AddIdentity(Output& output) const {
  if (auto* chat = std::get_if<out::Chat>(&output)) chat->identity = IdentityOf(chat->peer);
  if (auto* offer = std::get_if<out::FileOffer>(&output)) offer->identity = IdentityOf(offer->peer);
  auto* opened = std::get_if<out::ChatOpen>(&output);
  if (opened && IdentityOf(opened->peer) == "changed") opened->identity = "changed";
}

void AppModel::OnPeerOutput(Output output, Now now) {
  AddIdentity(output);
  if (const auto* opened = std::get_if<out::ChatOpen>(&output)) TakeIntoView(*opened);
  const auto* closed = std::get_if<out::ChatClosed>(&output);
  // Without a connection what is typed waits for him: it must reach nobody else.
  if (closed && closed->for_good && absl::EqualsIgnoreCase(closed->peer, focus_)) focus_.clear();
  if (closed) refind_.Begin(now.mono);
  context_.out.Show(output);
}

}  // namespace p2p::client
