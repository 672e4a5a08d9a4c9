#include "peer-client/app/session_flow.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace p2p::client {
namespace {

// The server cuts a penalised connection within 200 ms; a new one is opened after that.
constexpr Duration kAfterPenalty = 300ms;

RetryReason ReasonOf(const CallError& error) {
  if (error.answered && error.code == absl::StatusCode::kResourceExhausted) {
    return error.retry_after && !absl::StartsWith(error.message, "full") ? RetryReason::kLimited
                                                                         : RetryReason::kFull;
  }
  return RetryReason::kUnreachable;
}

// Nothing is wrong with the session: the same may work later.
bool IsPassing(const CallError& error) {
  return !error.answered || error.code == absl::StatusCode::kOk ||
         error.code == absl::StatusCode::kUnavailable ||
         error.code == absl::StatusCode::kResourceExhausted ||
         error.code == absl::StatusCode::kInternal;
}

}  // namespace

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

SessionFlow::SessionFlow(const AppContext& context)
    : context_(context),
      not_served_(context.options.timing),
      lost_(context.options.timing),
      renewal_(context.control, context.random),
      window_(context.options.timing.reconnect_window_min) {}

void SessionFlow::Start(bool key_known, std::optional<Session> saved, Now now) {
  key_known_ = key_known;
  if (saved && (!SessionRenewal::Expired(*saved, now) || SessionRenewal::Possible(*saved))) {
    session_ = std::move(saved);
    context_.control.UseToken(session_->token);
  }
  Connect();
}

void SessionFlow::Connect() {
  next_try_.reset();
  if (key_known_) {
    phase_ = Phase::kConnecting;
    context_.control.Connect();
  } else {
    phase_ = Phase::kProbing;
    context_.control.Probe();
  }
}

void SessionFlow::OnProbe(const Outcome<std::string>& fingerprint, Now now) {
  if (phase_ != Phase::kProbing) return;
  if (const auto* error = std::get_if<CallError>(&fingerprint)) {
    return RetryLater(*error, false, now);
  }
  learned_fingerprint_ = std::get<std::string>(fingerprint);
  switch (context_.options.trust) {
    case TrustPolicy::kAccept:
      return OnTrustAnswer(true, now);
    case TrustPolicy::kRefuse:
      context_.out.Show(out::Error{"SERVER_IDENTITY_UNKNOWN",
                                   "this server's key is not known; check its fingerprint and "
                                   "start again with --server-fingerprint",
                                   learned_fingerprint_});
      return Stop(ExitCode::kIdentity);
    case TrustPolicy::kAsk:
      phase_ = Phase::kAskingTrust;  // The model asks.
      return;
  }
}

void SessionFlow::OnTrustAnswer(bool yes, Now) {
  if (!yes) {
    context_.out.Show(out::Notice{"Nothing was sent to the server. Good bye."});
    return Stop(ExitCode::kIdentity);
  }
  if (const auto status = context_.state.TrustServer(learned_fingerprint_); !status.ok()) {
    context_.out.Show(out::Error{CodeName(status.code()), std::string(status.message()), ""});
    return Stop(ExitCode::kError);
  }
  context_.control.Pin(learned_fingerprint_);
  key_known_ = true;
  Connect();
}

void SessionFlow::OnHello(const Outcome<HelloInfo>& hello, Now now) {
  if (phase_ != Phase::kConnecting) return;
  if (const auto* error = std::get_if<CallError>(&hello)) {
    if (error->changed_fingerprint) {
      context_.out.Show(out::Error{
          "SERVER_IDENTITY_CHANGED",
          "the server proved another key than the one it is known by; somebody may be posing as "
          "it. Ask its operator, and if the change is meant, start with --server-fingerprint",
          *error->changed_fingerprint});
      return Stop(ExitCode::kIdentity);
    }
    return RetryLater(*error, false, now);
  }
  const auto& info = std::get<HelloInfo>(hello);
  hello_ = info;
  not_served_.Reset();
  ever_connected_ = true;
  penalty_shown_ = false;
  phase_ = Phase::kServed;
  context_.out.Show(
      out::Connected{info.choices, info.server_name, info.greeting, session_.has_value()});
  if (session_) {
    resuming_ = true;
    if (SessionRenewal::Expired(*session_, ByServersClock(now))) return Renew();
    Attach(now);
  }
}

void SessionFlow::Login(const std::string& username, absl::string_view password) {
  P2P_CHECK(phase_ == Phase::kServed);
  phase_ = Phase::kLoggingIn;
  context_.control.Login(username, password);
}

void SessionFlow::OnLoggedIn(Session session, Now now) {
  KeepSession(std::move(session));
  resuming_ = false;
  Attach(now);
}

// Saved before it is used: from its first use on, the server takes no older tokens.
void SessionFlow::KeepSession(Session session) {
  session_ = std::move(session);
  // Without the file the session still works; only a restart needs the password again.
  if (const auto saved = context_.state.SaveSession(*session_); !saved.ok()) {
    context_.out.Show(out::Notice{absl::StrCat("the session was not saved: ", saved.message())});
  }
  context_.control.UseToken(session_->token);
}

void SessionFlow::Renew() {
  phase_ = Phase::kRenewing;
  renewal_.Start(*session_);
}

void SessionFlow::OnResumed(Outcome<Session> result, Now now) {
  if (!renewal_.TakeAnswer() || !session_) return;
  if (const auto* error = std::get_if<CallError>(&result)) return OnNotRenewed(*error, now);
  KeepSession(std::move(std::get<Session>(result)));
  renewal_.Schedule(*session_, true, ByServersClock(now));
  ended_by_.reset();
  if (phase_ != Phase::kRenewing) return;  // In the background of an attached channel.
  resuming_ = true;
  Attach(now);
}

void SessionFlow::OnNotRenewed(const CallError& error, Now now) {
  if (error.penalty) return OnPenalty(*error.penalty, now);
  if (phase_ != Phase::kRenewing) {
    return renewal_.ScheduleAgain(*session_, ByServersClock(now));
  }
  if (IsPassing(error)) return RetryLater(error, false, now);
  // Over for good. Why the channel ended says more than that it cannot be renewed.
  const CallError shown = ended_by_.value_or(error);
  DropSession(true);
  phase_ = Phase::kServed;
  ReportError(shown);
  ShowConnected(hello_);
}

void SessionFlow::Attach(Now) {
  const auto port = context_.peers.Open(*session_);
  if (!port.ok()) {
    context_.out.Show(out::Error{CodeName(port.status().code()),
                                 absl::StrCat("conversations: ", port.status().message()), ""});
    DropSession(false);
    phase_ = Phase::kServed;
    return;
  }
  detached_.reset();
  phase_ = Phase::kAttaching;
  context_.control.Attach(*port);
}

void SessionFlow::OnAttached(const event::Attached& attached, Now now) {
  if (phase_ != Phase::kAttaching) return;
  phase_ = Phase::kAttached;
  lost_.Reset();
  window_ = std::max(attached.reconnect_window, context_.options.timing.reconnect_window_min);
  auto choices = session_->choices;
  if (choices.empty()) choices = {Choice::kListActive, Choice::kBroadcast};
  context_.out.Show(out::LoggedIn{session_->username, std::move(choices), resuming_});
  if (attached.server_time != WallTime()) server_clock_ = Now{now.mono, attached.server_time};
  renewal_.Schedule(*session_, false, ByServersClock(now));
  context_.broadcasts.Attach(attached, *session_);
}

void SessionFlow::OnDetached(const event::Detached& detached) { detached_ = detached; }

void SessionFlow::ReportError(const CallError& error) {
  context_.out.Show(out::Error{CodeName(error.code), error.message, ""});
}

void SessionFlow::OnChannelEnd(const CallError& error, Now now) {
  if (phase_ != Phase::kAttaching && phase_ != Phase::kAttached) return;
  context_.broadcasts.Detach();
  if (error.penalty) return OnPenalty(*error.penalty, now);
  if (IsPassing(error)) return RetryLater(error, phase_ == Phase::kAttached, now);
  // The server ended it for good: taken over, logged out, expired, refused.
  const bool taken_over = error.code == absl::StatusCode::kAborted;
  const bool mine = detached_ && detached_->logged_out;
  CallError shown = error;
  if (detached_ && !detached_->message.empty()) shown.message = detached_->message;
  if (shown.code == absl::StatusCode::kUnauthenticated && shown.message.empty()) {
    shown.message = "the session has ended; log in again";
  }
  if (error.code == absl::StatusCode::kUnauthenticated && !mine && !ended_by_ &&
      SessionRenewal::Possible(*session_)) {
    ended_by_ = shown;
    return Renew();
  }
  // The channel's end may be here before the answer to Logout: whichever comes first tells.
  if (mine) context_.out.Show(out::LoggedOut{session_->username});
  // Attached elsewhere: the token stays good.
  DropSession(!taken_over && error.code != absl::StatusCode::kAlreadyExists);
  phase_ = Phase::kServed;
  if (!mine) ReportError(shown);
  ShowConnected(hello_);
}

// The choices again: the connection is there, nobody is logged in.
void SessionFlow::ShowConnected(const HelloInfo& hello) {
  context_.out.Show(out::Connected{hello.choices, hello.server_name, "", false});
}

void SessionFlow::OnPenalty(const Penalty& penalty, Now now) {
  if (penalty_shown_) return;  // The call's answer and the channel's end both tell.
  penalty_shown_ = true;
  context_.out.Show(
      out::Penalised{penalty.reason, penalty.until.value_or(now.wall), penalty.next_step});
  context_.broadcasts.Detach();
  DropSession(true);
  context_.control.Disconnect();
  phase_ = Phase::kWaiting;
  next_try_ = now.mono + kAfterPenalty;
}

void SessionFlow::OnLoggedOut(Now) {
  if (!session_) return;
  const std::string username = session_->username;
  context_.broadcasts.Detach();
  DropSession(true);
  phase_ = Phase::kServed;
  context_.out.Show(out::LoggedOut{username});
  ShowConnected(hello_);
}

void SessionFlow::OnNoAnswer(const CallError& error, Now now) {
  if (phase_ == Phase::kServed || phase_ == Phase::kLoggingIn) RetryLater(error, false, now);
}

void SessionFlow::RetryLater(const CallError& error, bool lost, Now now) {
  context_.control.Disconnect();
  renewal_.Cancel();
  ended_by_.reset();
  phase_ = Phase::kWaiting;
  const bool served = !context_.options.one_shot || ever_connected_;
  NextTry next = session_ && served ? lost_.After(now.mono, window_, context_.random)
                                    : not_served_.After(now.mono, context_.random);
  if (error.retry_after) next.at = std::max(next.at, now.mono + *error.retry_after);
  next_try_ = next.at;
  context_.out.Show(out::Retry{next.at - now.mono, next.attempt, next.of,
                               lost ? RetryReason::kLost : ReasonOf(error), error.message});
  if (input_ended) Stop(ExitCode::kUnreachable);
}

void SessionFlow::DropSession(bool from_disk) {
  session_.reset();
  ended_by_.reset();
  renewal_.Cancel();
  context_.control.UseToken(SecretText());
  if (!from_disk) return;
  if (const auto status = context_.state.ForgetSession(); !status.ok()) {
    context_.out.Show(
        out::Notice{absl::StrCat("the old session was not removed: ", status.message())});
  }
}

void SessionFlow::Stop(ExitCode code) {
  phase_ = Phase::kStopped;
  next_try_.reset();
  if (!exit_code_) exit_code_ = code;
}

Now SessionFlow::ByServersClock(Now now) const {
  if (!server_clock_) return now;
  const auto since = std::chrono::duration_cast<WallTime::duration>(now.mono - server_clock_->mono);
  return {now.mono, server_clock_->wall + since};
}

std::optional<MonoTime> SessionFlow::NextDeadline() const {
  if (next_try_) return next_try_;
  return attached() ? renewal_.due() : std::nullopt;
}

void SessionFlow::OnTimer(Now now) {
  if (attached() && renewal_.due() && *renewal_.due() <= now.mono) renewal_.Start(*session_);
  if (phase_ == Phase::kWaiting && next_try_ && *next_try_ <= now.mono) Connect();
}

}  // namespace p2p::client
