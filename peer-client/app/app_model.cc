#include "peer-client/app/app_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "peer-client/app/plain_input.h"

namespace p2p::client {
namespace {

constexpr int kMaxRepeats = 5;
constexpr Duration kUnansweredPause = 2s;  // Before a broadcast without an answer is repeated.

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

template <class T>
bool Is(const Command& command) {
  return std::holds_alternative<T>(command);
}

bool NeedsServer(const Command& command) {
  return Is<cmd::Signup>(command) || Is<cmd::Login>(command) || Is<cmd::Logout>(command) ||
         Is<cmd::List>(command) || Is<cmd::Request>(command) || Is<cmd::Approve>(command) ||
         Is<cmd::Deny>(command) || Is<cmd::Cancel>(command) || Is<cmd::Broadcast>(command);
}

std::string Seconds(Duration d) {
  return absl::StrCat(
      std::chrono::ceil<std::chrono::seconds>(std::max(d, Duration::zero())).count(), " s");
}

}  // namespace

AppModel::AppModel(const AppContext& context)
    : context_(context), session_(context), prompts_(context.out) {}

void AppModel::Start(bool key_known, std::optional<Session> saved, Now now) {
  // Conversations go on before, and without, the server.
  if (saved) {
    if (const auto port = context_.peers.Open(*saved); !port.ok()) {
      Error(port.status().code(), absl::StrCat("conversations: ", port.status().message()));
    }
  }
  session_.Start(key_known, std::move(saved), now);
}

std::string AppModel::username() const {
  return session_.session() ? session_.session()->username : "";
}

void AppModel::Error(absl::StatusCode code, std::string message) {
  context_.out.Show(out::Error{CodeName(code), std::move(message), ""});
}

// Input ---------------------------------------------------------------------------------------

void AppModel::OnLine(absl::string_view line, Now now) {
  if (!IsValidUtf8(line)) {  // The server's library would refuse it without a word.
    return context_.out.Show(out::Error{"BAD_COMMAND", "the line is not UTF-8 text", ""});
  }
  if (prompts_.open()) {
    auto answer = prompts_.OnLine(line);
    std::visit(Overload{[](std::monostate) {},
                        [&](Command& command) { OnCommand(std::move(command), now); },
                        [&](TrustAnswer trust) { session_.OnTrustAnswer(trust.yes, now); },
                        [&](KeepBroadcast& keep) { EnqueueBroadcast(std::move(keep.text), now); }},
               answer);
    return FinishIfDone();
  }
  if (absl::StripAsciiWhitespace(line).empty()) return;
  if (!context_.options.plain) return OnCommand(ParseSlash(line), now);
  PlainContext plain;
  plain.logged_in = session_.session().has_value();
  plain.request_waits = requests_.AnyIncoming(now.mono);
  plain.focus = focus_;
  OnCommand(ParsePlain(line, plain), now);
}

void AppModel::OnCommand(Command command, Now now) {
  if (exit_code()) return;
  if (auto* signup = std::get_if<cmd::Signup>(&command);
      signup != nullptr && (!signup->username || !signup->password || !signup->confirm_password)) {
    return prompts_.Ask(std::move(*signup));
  }
  if (auto* login = std::get_if<cmd::Login>(&command);
      login != nullptr && (!login->username || !login->password)) {
    return prompts_.Ask(std::move(*login));
  }
  if (auto* broadcast = std::get_if<cmd::Broadcast>(&command)) {
    if (!broadcast->text) return prompts_.Ask(std::move(*broadcast));
    if (context_.options.plain && session_.ever_connected() && session_.session() &&
        !session_.attached()) {
      return prompts_.Ask(KeepBroadcast{std::move(*broadcast->text)});
    }
    EnqueueBroadcast(std::move(*broadcast->text), now);
  } else if (NeedsServer(command)) {
    Enqueue(std::move(command), now);
  } else {
    RunLocal(command, now);
  }
  FinishIfDone();
}

void AppModel::EnqueueBroadcast(std::string text, Now now) {
  ServerCommand command{cmd::Broadcast{std::move(text)}, HexEncode(context_.random.Array<16>()),
                        now.mono + context_.options.timing.retention, 0, false};
  if (!queue_.Push(std::move(command))) {
    return Error(absl::StatusCode::kResourceExhausted, "too many commands wait already");
  }
  Pump(now);
}

void AppModel::Enqueue(Command command, Now now) {
  if (Is<cmd::Login>(command) || Is<cmd::Signup>(command)) queue_.DropLaterCredentials();
  const bool logging_in = session_.phase() == SessionFlow::Phase::kLoggingIn ||
                          session_.phase() == SessionFlow::Phase::kAttaching;
  if (!queue_.Push({std::move(command), "", std::nullopt, 0, logging_in})) {
    return Error(absl::StatusCode::kResourceExhausted, "too many commands wait already");
  }
  Pump(now);
}

void AppModel::RunLocal(const Command& command, Now) {
  if (const auto* message = std::get_if<cmd::Msg>(&command)) return SendMessage(*message);
  if (const auto* hang_up = std::get_if<cmd::HangUp>(&command)) return HangUp(*hang_up);
  if (const auto* focus = std::get_if<cmd::Focus>(&command)) return SetFocus(focus->peer);
  if (Is<cmd::Help>(command)) return context_.out.Show(out::Help{});
  if (Is<cmd::Quit>(command)) return session_.Stop(ExitCode::kOk);
  if (const auto* bad = std::get_if<cmd::Bad>(&command)) {
    return context_.out.Show(out::Error{"BAD_COMMAND", bad->message, ""});
  }
  Error(absl::StatusCode::kUnimplemented, "this version does not transfer files");
}

void AppModel::SendMessage(const cmd::Msg& message) {
  const auto id = context_.peers.Send(message.peer, message.text);
  if (id.ok()) return;  // The receipt says the rest.
  if (absl::IsNotFound(id.status()) || absl::IsFailedPrecondition(id.status())) {
    return context_.out.Show(out::Error{"NO_CONVERSATION",
                                        absl::StrCat("there is no conversation with ", message.peer,
                                                     "; ask with /request ", message.peer),
                                        ""});
  }
  Error(id.status().code(), std::string(id.status().message()));
}

void AppModel::HangUp(const cmd::HangUp& hang_up) {
  const std::string peer = hang_up.peer.empty() ? focus_ : hang_up.peer;
  if (peer.empty()) {
    return context_.out.Show(out::Error{"BAD_COMMAND", "usage: /hangup NAME", ""});
  }
  if (const auto status = context_.peers.HangUp(peer); !status.ok()) {
    return context_.out.Show(
        out::Error{"NO_CONVERSATION", absl::StrCat("there is no conversation with ", peer), ""});
  }
  if (absl::EqualsIgnoreCase(peer, focus_)) focus_.clear();
}

void AppModel::SetFocus(std::string peer) {
  focus_ = std::move(peer);
  context_.out.Show(out::Notice{
      focus_.empty() ? "Back at the menu: 1) list of active clients  2) broadcast a message"
                     : absl::StrCat("What you type now goes to ", focus_, "; /back leaves.")});
}

void AppModel::OnInputEnd(Now) {
  input_ended_ = true;
  session_.input_ended = true;
  FinishIfDone();
}

void AppModel::FinishIfDone() {
  if (!input_ended_ || exit_code() || current_ || !queue_.idle()) return;
  const auto phase = session_.phase();
  if (phase == SessionFlow::Phase::kWaiting && !session_.ever_connected()) {
    return session_.Stop(ExitCode::kUnreachable);
  }
  const bool settled = session_.ever_connected() && phase != SessionFlow::Phase::kAttaching;
  if (settled || phase == SessionFlow::Phase::kAskingTrust) session_.Stop(ExitCode::kOk);
}

// The queue -----------------------------------------------------------------------------------

AppModel::Readiness AppModel::ReadinessOf(const Command& command) const {
  using Phase = SessionFlow::Phase;
  if (!session_.ever_connected()) return Readiness::kWait;
  const Phase phase = session_.phase();
  if (phase == Phase::kLoggingIn || phase == Phase::kAttaching) return Readiness::kWait;
  if (Is<cmd::Signup>(command) || Is<cmd::Login>(command)) {
    return phase == Phase::kServed || phase == Phase::kAttached ? Readiness::kRun
                                                                : Readiness::kWait;
  }
  if (phase == Phase::kAttached) return Readiness::kRun;
  // Without a connection a broadcast is kept for its life; the rest is told when the next try is.
  if (Is<cmd::Broadcast>(command) && session_.session()) return Readiness::kRun;
  return Readiness::kRefuse;
}

void AppModel::Pump(Now now) {
  while (!current_ && !queue_.empty() && !exit_code()) {
    switch (ReadinessOf(queue_.front().command)) {
      case Readiness::kWait:
        return;
      case Readiness::kRun:
        Run(queue_.Pop(), now);
        break;
      case Readiness::kRefuse:
        Refuse(queue_.Pop(), now);
        break;
    }
  }
  FinishIfDone();
}

void AppModel::Refuse(const ServerCommand& command, Now now) {
  if (const auto* list = std::get_if<cmd::List>(&command.command); list && list->silent) return;
  if (!session_.session()) return Error(absl::StatusCode::kUnauthenticated, "log in first");
  const auto next = session_.next_try();
  Error(absl::StatusCode::kUnavailable,
        next ? absl::StrCat("not connected to the server; next try in ", Seconds(*next - now.mono))
             : "not connected to the server; trying now");
}

void AppModel::Run(ServerCommand command, Now now) {
  if (Is<cmd::Approve>(command.command) || Is<cmd::Deny>(command.command) ||
      Is<cmd::Cancel>(command.command)) {
    return AnswerRequest(command.command, now);
  }
  if (Is<cmd::Broadcast>(command.command) && !session_.attached()) {
    if (!queue_.Later(std::move(command), std::nullopt)) {
      Error(absl::StatusCode::kResourceExhausted, "too many broadcasts wait already");
    }
    return;
  }
  current_ = std::move(command);
  const Command& what = current_->command;
  if (const auto* signup = std::get_if<cmd::Signup>(&what)) {
    context_.control.Signup(*signup->username, signup->password->view(),
                            signup->confirm_password->view());
  } else if (Is<cmd::Login>(what)) {
    RunLogin(now);
  } else if (Is<cmd::Logout>(what)) {
    context_.control.Logout();
  } else if (Is<cmd::List>(what)) {
    context_.control.List();
  } else if (const auto* broadcast = std::get_if<cmd::Broadcast>(&what)) {
    context_.control.Broadcast(*broadcast->text, current_->broadcast_key);
  } else if (const auto* request = std::get_if<cmd::Request>(&what)) {
    if (!RunRequest(*request, now)) current_.reset();
  }
}

void AppModel::RunLogin(Now) {
  const auto& login = std::get<cmd::Login>(current_->command);
  if (!session_.attached()) return session_.Login(*login.username, login.password->view());
  if (absl::EqualsIgnoreCase(*login.username, username())) {
    // Impatience is not a second log-in: the one that was under way has been told.
    if (!current_->while_logging_in) {
      context_.out.Show(out::LoggedIn{username(), session_.session()->choices, false});
    }
  } else {
    Error(absl::StatusCode::kFailedPrecondition,
          absl::StrCat("logged in as ", username(), "; /logout first"));
  }
  current_.reset();
}

// False: not sent. The person may be asked, or the list be fetched first.
bool AppModel::RunRequest(const cmd::Request& request, Now now) {
  if (context_.options.plain && !request.confirmed) {
    if (ClassifyTarget(request.peer) == TargetKind::kMalformed) {
      Error(absl::StatusCode::kInvalidArgument,
            absl::StrCat("'", request.peer, "' is neither a username nor an IP address"));
      return false;
    }
    if (absl::EqualsIgnoreCase(request.peer, username())) {
      Error(absl::StatusCode::kInvalidArgument, "that is you");
      return false;
    }
    if (!requests_.ListIsFreshFor(request.peer, now.mono)) {
      queue_.PushFront(std::move(*current_));
      current_ = ServerCommand{cmd::List{true}, "", std::nullopt, 0, false};
      context_.control.List();
      return true;
    }
    if (!requests_.IsListed(request.peer)) {
      prompts_.Ask(request);
      return false;
    }
  }
  context_.control.Request(request.peer, LooksLikeAddress(request.peer), request.reason,
                           context_.peers.MakeOffer());
  return true;
}

void AppModel::AnswerRequest(const Command& command, Now now) {
  const auto* approve = std::get_if<cmd::Approve>(&command);
  const auto* deny = std::get_if<cmd::Deny>(&command);
  const auto* cancel = std::get_if<cmd::Cancel>(&command);
  const auto id = approve ? requests_.FindIncoming(approve->request_id, now.mono)
                  : deny  ? requests_.FindIncoming(deny->request_id, now.mono)
                          : requests_.FindOutgoing(cancel->request_id);
  if (!id.ok()) return Error(id.status().code(), std::string(id.status().message()));
  if (approve) context_.control.Approve(*id, context_.peers.MakeOffer());
  if (deny) context_.control.Deny(*id);
  if (cancel) context_.control.Cancel(*id);
}

// Answers -------------------------------------------------------------------------------------

// The current call failed. Limits are waited for, lost broadcasts are repeated, the rest is told.
void AppModel::Fail(const CallError& error, Now now) {
  if (!current_) return;
  if (!error.answered) return LoseCurrent(error, now);
  ServerCommand command = std::move(*current_);
  current_.reset();
  const bool credentials = Is<cmd::Login>(command.command);
  std::optional<Duration> wait = error.retry_after;
  // A cool-down after penalties: the log-in is repeated when it is over.
  if (!wait && credentials && error.penalty && error.penalty->until) {
    wait = *error.penalty->until - now.wall;
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
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  const std::string username = *std::get<cmd::Signup>(current_->command).username;
  current_.reset();
  context_.out.Show(out::SignedUp{username, std::get<SignupInfo>(result).message});
  Pump(now);
}

void AppModel::OnLogin(Outcome<Session> result, Now now) {
  if (!current_ || session_.phase() != SessionFlow::Phase::kLoggingIn) return;
  if (const auto* error = std::get_if<CallError>(&result)) {
    if (error->answered) session_.OnLoginFailed();
    return Fail(*error, now);
  }
  session_.OnLoggedIn(std::move(std::get<Session>(result)), now);
  current_.reset();
  Pump(now);
}

void AppModel::OnLogout(const Outcome<Done>& result, Now now) {
  if (!current_) return;
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  current_.reset();
  session_.OnLoggedOut(now);
  AfterSessionChange(now);
}

void AppModel::OnList(Outcome<std::vector<out::ActiveClient>> result, Now now) {
  if (!current_) return;
  const bool silent = std::get<cmd::List>(current_->command).silent;
  if (const auto* error = std::get_if<CallError>(&result)) {
    if (!silent) return Fail(*error, now);
    requests_.SetActive({}, now.mono);  // The request behind it is asked about instead.
  } else {
    auto& clients = std::get<std::vector<out::ActiveClient>>(result);
    requests_.SetActive(clients, now.mono);
    if (!silent) context_.out.Show(out::Active{std::move(clients)});
  }
  current_.reset();
  Pump(now);
}

void AppModel::OnRequest(const Outcome<RequestInfo>& result, Now now) {
  if (!current_) return;
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  const auto& info = std::get<RequestInfo>(result);
  current_.reset();
  requests_.AddOutgoing(info);
  context_.out.Show(out::RequestSent{info.request_id, info.peer});
  Pump(now);
}

void AppModel::OnBroadcast(const Outcome<BroadcastInfo>& result, Now now) {
  if (!current_) return;
  if (const auto* error = std::get_if<CallError>(&result)) return Fail(*error, now);
  const auto& info = std::get<BroadcastInfo>(result);
  current_.reset();
  context_.out.Show(out::BroadcastSent{info.id, info.expires_at});
  Pump(now);
}

// The channel ---------------------------------------------------------------------------------

void AppModel::OnChannelEvent(const ChannelEvent& channel_event, Now now) {
  std::visit(Overload{[&](const event::Attached& attached) {
                        session_.OnAttached(attached, now);
                        queue_.ReleaseHeld();
                        Pump(now);
                      },
                      [&](const event::PeerRequest& request) {
                        requests_.AddIncoming(request, now.mono);
                        context_.out.Show(out::PeerRequest{request.request_id, request.from,
                                                           request.ip_address, request.reason,
                                                           request.expires_in});
                      },
                      [&](const event::RequestOutcome& outcome) {
                        requests_.Close(outcome.request_id);
                        context_.out.Show(
                            out::RequestOutcome{outcome.request_id, outcome.peer, outcome.outcome});
                      },
                      [&](const event::Introduction& introduction) {
                        if (!session_.session()) return;
                        const auto status =
                            context_.peers.Introduce(introduction, *session_.session());
                        if (status.ok())
                          return context_.control.AckIntroduction(introduction.request_id);
                        Error(status.code(), absl::StrCat("introduction: ", status.message()));
                      },
                      [&](const event::PenaltyNotice& notice) {
                        session_.OnPenalty(notice.penalty, now);
                        AfterSessionChange(now);
                      },
                      [&](const event::RelayRestarted& restarted) {
                        context_.broadcasts.RelayRestarted(restarted);
                      },
                      [&](const event::Broadcast& broadcast) {
                        const auto status = context_.broadcasts.OnChannelBroadcast(broadcast);
                        if (status.ok()) return context_.control.AckBroadcast(broadcast.id);
                        Error(status.code(), absl::StrCat("broadcast: ", status.message()));
                      },
                      [&](const event::Detached& detached) { session_.OnDetached(detached); },
                      [&](const event::Rejected& rejected) {
                        requests_.Close(rejected.request_id);
                        Error(absl::StatusCode::kFailedPrecondition, rejected.message);
                      }},
             channel_event);
}

void AppModel::OnChannelEnd(const CallError& error, Now now) {
  session_.OnChannelEnd(error, now);
  AfterSessionChange(now);
}

// The session may be gone, and the connection with it: nothing that depended on it goes on.
void AppModel::AfterSessionChange(Now now) {
  if (!session_.attached()) {
    requests_.CloseAll();
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

void AppModel::OnPeerOutput(Output output) {
  if (const auto* opened = std::get_if<out::ChatOpen>(&output)) {
    if (context_.options.plain && focus_.empty()) focus_ = opened->peer;
  }
  const auto* closed = std::get_if<out::ChatClosed>(&output);
  const bool ends_focus = closed && absl::EqualsIgnoreCase(closed->peer, focus_);
  if (ends_focus) focus_.clear();
  context_.out.Show(output);
}

// Time ----------------------------------------------------------------------------------------

std::optional<MonoTime> AppModel::NextDeadline() const {
  const auto session = session_.NextDeadline();
  const auto queue = queue_.NextDeadline();
  if (!session) return queue;
  return queue ? std::min(*session, *queue) : session;
}

void AppModel::OnTimer(Now now) {
  for (const auto& expired : queue_.TakeExpired(now.mono)) {
    (void)expired;
    Error(absl::StatusCode::kDeadlineExceeded,
          "a broadcast could not be sent within its life and was dropped");
  }
  queue_.ReleaseDue(now.mono);
  session_.OnTimer(now);
  Pump(now);
}

}  // namespace p2p::client
