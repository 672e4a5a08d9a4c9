#include "peer-client/app/app_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "peer-client/app/model_parts.h"
#include "peer-client/app/plain_input.h"

namespace p2p::client {
namespace {

bool NeedsServer(const Command& command) {
  return Is<cmd::Signup>(command) || Is<cmd::Login>(command) || Is<cmd::Logout>(command) ||
         Is<cmd::List>(command) || Is<cmd::Request>(command) || Is<cmd::Approve>(command) ||
         Is<cmd::Deny>(command) || Is<cmd::Cancel>(command) || Is<cmd::Broadcast>(command) ||
         Is<cmd::BroadcastStatus>(command) || Is<cmd::BroadcastRevoke>(command) ||
         Is<cmd::Penalties>(command) || Is<cmd::Doctor>(command);
}

std::string Seconds(Duration d) {
  return absl::StrCat(
      std::chrono::ceil<std::chrono::seconds>(std::max(d, Duration::zero())).count(), " s");
}

}  // namespace

AppModel::AppModel(const AppContext& context)
    : context_(context),
      session_(context),
      prompts_(context.out),
      talk_(context_, requests_, focus_),
      doctor_(context) {}

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
  const AnswerScope scope(answering_, 0);
  if (prompts_.open()) {
    auto answer = prompts_.OnLine(line);
    std::visit(Overload{[](std::monostate) {},
                        [&](Command& command) { OnCommand(std::move(command), now); },
                        [&](TrustAnswer trust) { session_.OnTrustAnswer(trust.yes, now); },
                        [&](KeepBroadcast& keep) {
                          EnqueueBroadcast({std::move(keep.text), 0}, now);
                        }},
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

void AppModel::OnCommand(Command command, Now now, uint64_t caller) {
  if (exit_code()) return;
  const AnswerScope scope(answering_, caller);
  if (auto* signup = std::get_if<cmd::Signup>(&command);
      signup != nullptr && (!signup->username || !signup->password || !signup->confirm_password)) {
    return prompts_.Ask(std::move(*signup));
  }
  if (auto* login = std::get_if<cmd::Login>(&command);
      login != nullptr && (!login->username || !login->password)) {
    return prompts_.Ask(std::move(*login));
  }
  if (auto* request = std::get_if<cmd::Request>(&command); request != nullptr && caller != 0) {
    request->confirmed = true;  // Nobody can be asked.
  }
  if (auto* broadcast = std::get_if<cmd::Broadcast>(&command)) {
    if (!broadcast->text) return prompts_.Ask(std::move(*broadcast));
    if (context_.options.plain && caller == 0 && session_.ever_connected() && session_.session() &&
        !session_.attached()) {
      return prompts_.Ask(KeepBroadcast{std::move(*broadcast->text)});
    }
    EnqueueBroadcast(std::move(*broadcast), now);
  } else if (NeedsServer(command)) {
    Enqueue(std::move(command), now);
  } else {
    RunLocal(command, now);
  }
  FinishIfDone();
}

void AppModel::EnqueueBroadcast(cmd::Broadcast broadcast, Now now) {
  const Duration life = broadcast.ttl_s > 0 ? std::chrono::seconds(broadcast.ttl_s)
                                            : context_.options.timing.retention;
  ServerCommand command{std::move(broadcast),   HexEncode(context_.random.Array<16>()),
                        now.mono + life,        0,
                        answering_.value_or(0), false};
  if (!queue_.Push(std::move(command))) {
    return Error(absl::StatusCode::kResourceExhausted, "too many commands wait already");
  }
  Pump(now);
}

bool AppModel::NameLastBroadcast(std::string& id) {
  if (id.empty()) id = last_broadcast_;
  if (!id.empty()) return true;
  Error(absl::StatusCode::kInvalidArgument, "you have sent no broadcast yet; name one by its id");
  return false;
}

void AppModel::Enqueue(Command command, Now now) {
  auto* status = std::get_if<cmd::BroadcastStatus>(&command);
  auto* revoke = std::get_if<cmd::BroadcastRevoke>(&command);
  if (status != nullptr && !NameLastBroadcast(status->id)) return;
  if (revoke != nullptr && !NameLastBroadcast(revoke->id)) return;
  if (Is<cmd::Login>(command) || Is<cmd::Signup>(command)) queue_.DropLaterCredentials();
  const bool logging_in = session_.phase() == SessionFlow::Phase::kLoggingIn ||
                          session_.phase() == SessionFlow::Phase::kRenewing ||
                          session_.phase() == SessionFlow::Phase::kAttaching;
  if (!queue_.Push({std::move(command), "", std::nullopt, 0, answering_.value_or(0), logging_in})) {
    return Error(absl::StatusCode::kResourceExhausted, "too many commands wait already");
  }
  Pump(now);
}

void AppModel::RunLocal(const Command& command, Now now) {
  // What the user says of a key shows at once.
  if (talk_.Run(command, now)) return;
  if (const auto* focus = std::get_if<cmd::Focus>(&command)) return SetFocus(focus->peer);
  if (Is<cmd::Help>(command)) return context_.out.Show(out::Help{});
  if (Is<cmd::Quit>(command)) return session_.Stop(ExitCode::kOk);
  if (const auto* bad = std::get_if<cmd::Bad>(&command)) {
    context_.out.Show(out::Error{"BAD_COMMAND", bad->message, ""});
  }
}

void AppModel::SetFocus(std::string peer) {
  focus_ = std::move(peer);
  had_focus_ = true;
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
  if (!input_ended_ || exit_code() || current_ || !queue_.idle() || doctor_.running()) return;
  const auto phase = session_.phase();
  if (phase == SessionFlow::Phase::kWaiting && !session_.ever_connected()) {
    return session_.Stop(ExitCode::kUnreachable);
  }
  const bool settled = session_.ever_connected() && phase != SessionFlow::Phase::kAttaching &&
                       phase != SessionFlow::Phase::kRenewing;
  if (settled || phase == SessionFlow::Phase::kAskingTrust) session_.Stop(ExitCode::kOk);
}

// The queue -----------------------------------------------------------------------------------

AppModel::Readiness AppModel::ReadinessOf(const Command& command) const {
  using Phase = SessionFlow::Phase;
  if (!session_.ever_connected()) return Readiness::kWait;
  const Phase phase = session_.phase();
  if (phase == Phase::kLoggingIn || phase == Phase::kRenewing || phase == Phase::kAttaching) {
    return Readiness::kWait;
  }
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
  DropExpired(now);
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
  const AnswerScope scope(answering_, command.caller);
  if (const auto* list = std::get_if<cmd::List>(&command.command); list && list->silent) return;
  if (!session_.session()) return Error(absl::StatusCode::kUnauthenticated, "log in first");
  const auto next = session_.next_try();
  Error(absl::StatusCode::kUnavailable,
        next ? absl::StrCat("not connected to the server; next try in ", Seconds(*next - now.mono))
             : "not connected to the server; trying now");
}

void AppModel::Run(ServerCommand command, Now now) {
  const AnswerScope scope(answering_, command.caller);
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
  if (Is<cmd::Doctor>(command.command)) return RunDoctor(command.caller, now);
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
    context_.control.Broadcast(*broadcast->text, current_->broadcast_key, broadcast->ttl_s);
  } else if (const auto* status = std::get_if<cmd::BroadcastStatus>(&what)) {
    context_.control.BroadcastStatus(status->id);
  } else if (const auto* revoke = std::get_if<cmd::BroadcastRevoke>(&what)) {
    context_.control.RevokeBroadcast(revoke->id);
  } else if (Is<cmd::Penalties>(what)) {
    context_.control.Penalties();
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
      current_ = ServerCommand{cmd::List{true}, "", std::nullopt, 0, 0, false};
      context_.control.List();
      return true;
    }
    if (!requests_.IsListed(request.peer)) {
      prompts_.Ask(request);
      return false;
    }
  }
  context_.control.Request(request.peer, LooksLikeAddress(request.peer), request.reason,
                           context_.peers.MakeOffer({}));
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
  if (cancel) return context_.control.Cancel(*id);
  const RequestBook::Answer answer{approve != nullptr, approve ? approve->limit : Duration::zero()};
  requests_.NoteAnswer(*id, answer);
  SendAnswer(*id, answer);
}

void AppModel::SendAnswer(const std::string& request_id, RequestBook::Answer answer) {
  if (!answer.approve) return context_.control.Deny(request_id);
  context_.control.Approve(request_id, context_.peers.MakeOffer(answer.limit));
}

// Takes a while, and is in nobody's way meanwhile.
void AppModel::RunDoctor(uint64_t caller, Now now) {
  if (doctor_.running()) {
    return Error(absl::StatusCode::kFailedPrecondition, "it is being looked at already");
  }
  doctor_.Begin(session_.hello(), caller, now);
}

void AppModel::ShowDiagnosis(Now now) {
  auto found = doctor_.TakeResult(now);
  if (!found) return;
  const AnswerScope scope(answering_, doctor_.caller());
  context_.out.Show(*std::move(found));
  FinishIfDone();
}

// Time ----------------------------------------------------------------------------------------

std::optional<MonoTime> AppModel::NextDeadline() const {
  std::optional<MonoTime> next = session_.NextDeadline();
  const auto progress = MayAskProgress() ? progress_.NextDeadline() : std::nullopt;
  const auto refind = MayRefind() ? refind_.NextDeadline() : std::nullopt;
  for (const auto& other :
       {queue_.NextDeadline(), progress, refind, ask_again_, doctor_.NextDeadline()}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

// While a call is under way its answer comes first.
bool AppModel::MayAskProgress() const { return MayRefind() && !current_; }

bool AppModel::MayRefind() const { return session_.attached() && !input_ended_; }

void AppModel::AskProgress(Now now) {
  if (!MayAskProgress()) return;
  const auto id = progress_.TakeDue(now.mono);
  if (!id) return;
  current_ = ServerCommand{cmd::BroadcastStatus{*id, true}, "", std::nullopt, 0, 0, false};
  context_.control.BroadcastStatus(*id);
}

void AppModel::AskWherePeersAre(Now now) {
  if (!MayRefind()) return;
  if (!refind_.TakeDue(now.mono, context_.peers.AnyWaiting())) return;
  Enqueue(cmd::List{true}, now);
}

void AppModel::DropExpired(Now now) {
  for (const auto& expired : queue_.TakeExpired(now.mono)) {
    const AnswerScope scope(answering_, expired.caller);
    Error(absl::StatusCode::kDeadlineExceeded,
          "a broadcast could not be sent within its life and was dropped");
  }
}

void AppModel::OnTimer(Now now) {
  DropExpired(now);
  queue_.ReleaseDue(now.mono);
  session_.OnTimer(now);
  Pump(now);
  AskProgress(now);
  AskWherePeersAre(now);
  if (ask_again_ && *ask_again_ <= now.mono) AskWhatBecameOfRequests(now);
  ShowDiagnosis(now);
}

}  // namespace p2p::client
