#include "peer-client/oneshot/task.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace p2p::client::oneshot {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxEarly = 256;
constexpr Duration kBesideAnswer = 60s;
constexpr Duration kOpenAfterApproval = 20s;  // Dials go on for 15 s.
// A connection that was lost: tries at 1, 2, 4 ... 30 s.
constexpr int kTriesWhenLost = 6;
constexpr uint32_t kLongestTtlS = 1800;
constexpr Duration kAskEvery = 500ms;  // How far a broadcast got.

std::string Text(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_string() ? found->get<std::string>() : "";
}

int SmallNumber(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_number_integer() ? found->get<int>() : 0;
}

uint64_t Count(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

bool Flag(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_boolean() && found->get<bool>();
}

std::string Key(absl::string_view name) { return absl::AsciiStrToLower(name); }

// Another answer may come when the same is asked again.
bool MayPass(absl::string_view code) {
  return code == "UNAVAILABLE" || code == "DEADLINE_EXCEEDED" || code == "RESOURCE_EXHAUSTED";
}

}  // namespace

ExitCode ExitCodeOf(const std::string& error_code) {
  if (error_code == "UNAUTHENTICATED" || absl::StartsWith(error_code, "SERVER_IDENTITY")) {
    return ExitCode::kIdentity;
  }
  if (error_code == "PERMISSION_DENIED") return ExitCode::kDenied;
  if (error_code == "UNAVAILABLE") return ExitCode::kUnreachable;
  if (error_code == "DEADLINE_EXCEEDED") return ExitCode::kExpired;
  return ExitCode::kError;
}

Task::Task(TaskSpec spec, Place place, TaskOutput& output)
    : spec_(std::move(spec)), place_(place), output_(output), peer_(spec_.name) {}

void Task::Order(Command command) { commands_.push_back(std::move(command)); }

void Task::Start(bool logged_in, MonoTime now) {
  logged_in_ = logged_in;
  const bool endless = spec_.verb == Verb::kWatch && place_ == Place::kBeside;
  if (spec_.connect_wait) {
    connect_by_ = now + *spec_.connect_wait;
  } else if (place_ == Place::kBeside && !endless) {
    connect_by_ = now + kBesideAnswer;
  }
  switch (spec_.verb) {
    case Verb::kSignup: {
      cmd::Signup signup{spec_.name, spec_.password.Clone(), std::move(spec_.password)};
      return Order(std::move(signup));
    }
    case Verb::kLogin: {
      cmd::Login login{spec_.name, std::move(spec_.password)};
      return Order(std::move(login));
    }
    case Verb::kLogout:
      return Order(cmd::Logout{});
    case Verb::kList:
      return Order(cmd::List{});
    case Verb::kRequest:
      return Order(cmd::Request{spec_.name, spec_.text, false});
    case Verb::kSend:  // A conversation that is there needs neither server nor approval.
      message_ordered_ = true;
      return Order(cmd::Msg{spec_.name, spec_.text});
    case Verb::kSendFile:
      return Order(cmd::SendFile{spec_.name, spec_.text});
    case Verb::kBroadcast:
      if (spec_.dry_run) return Order(cmd::List{});
      return Order(cmd::Broadcast{spec_.text, spec_.ttl_s});
    case Verb::kBroadcastStatus:
      return Order(cmd::BroadcastStatus{spec_.name, false});
    case Verb::kBroadcastRevoke:
      return Order(cmd::BroadcastRevoke{spec_.name});
    case Verb::kVerify:
      return Order(cmd::Verify{spec_.name, false});
    case Verb::kDoctor:
      return Order(cmd::Doctor{});
    case Verb::kWatch:
      if (endless) connect_by_.reset();
      return;
  }
}

void Task::Finish(const Json& event, ExitCode code) {
  if (exit_code_) return;
  output_.OnResult(event);
  exit_code_ = code;
}

void Task::Fail(ExitCode code, const std::string& name, const std::string& message) {
  if (exit_code_) return;
  output_.OnError(name.empty() ? "UNKNOWN" : name, message);
  exit_code_ = code;
}

void Task::OnBroken(const std::string& why) { Fail(ExitCode::kError, "ABORTED", why); }

void Task::OnSignal() {
  if (spec_.verb == Verb::kWatch) {
    exit_code_ = ExitCode::kOk;
  } else {
    Fail(ExitCode::kError, "CANCELLED", "interrupted");
  }
}

void Task::OnEvent(const Json& event, MonoTime now) {
  if (exit_code_) return;
  output_.OnEvent(event);
  const std::string name = Text(event, "event");
  if (name == "connected") return OnConnected();
  if (name == "retry") return OnRetry(event);
  if (name == "error") return OnErrorEvent(event, now);
  if (name == "penalised" && !(spec_.verb == Verb::kWatch && place_ == Place::kBeside)) {
    return Fail(ExitCode::kDenied, "PENALISED",
                absl::StrCat(Text(event, "reason"), "; ", Text(event, "next_step")));
  }
  if (name == "logged_in") {
    logged_in_ = true;
    if (spec_.verb == Verb::kLogin && Key(Text(event, "username")) == Key(spec_.name)) {
      return Finish(event);
    }
  }
  if ((name == "signed_up" && spec_.verb == Verb::kSignup) ||
      (name == "logged_out" && spec_.verb == Verb::kLogout) ||
      (name == "active" && spec_.verb == Verb::kList) ||
      (name == "identity" && spec_.verb == Verb::kVerify &&
       Key(Text(event, "peer")) == Key(spec_.name)) ||
      (name == "broadcast_sent" && spec_.verb == Verb::kBroadcast && !spec_.goal) ||
      (name == "broadcast_status" &&
       (spec_.verb == Verb::kBroadcastStatus || spec_.verb == Verb::kBroadcastRevoke))) {
    return Finish(event);
  }
  if (spec_.verb == Verb::kBroadcast) {
    if (name == "active" && spec_.dry_run) return OnPreview(event);
    if (name == "broadcast_sent") return OnBroadcastSent(event, now);
    if (name == "broadcast_status") return OnGoalStatus(event, now);
  }
  if (name == "doctor" && spec_.verb == Verb::kDoctor) return OnDiagnosis(event);
  if (name == "transfer" && spec_.verb == Verb::kSendFile) return OnTransfer(event, now);
  if (spec_.verb != Verb::kRequest && spec_.verb != Verb::kSend) return;
  if (name == "request_sent") return OnRequestSent(event, now);
  if (name == "request_outcome") {
    const std::string id = Text(event, "request_id");
    if (!request_id_.empty() && id == request_id_) return OnOutcome(Text(event, "outcome"), now);
    if (early_outcomes_.size() < kMaxEarly) early_outcomes_[id] = Text(event, "outcome");
  }
  if (name == "chat_open") return OnOpen(Text(event, "peer"));
  if (name == "chat_closed") {
    const std::string peer = Text(event, "peer");
    open_.erase(Key(peer));
    if (approved_ && message_id_.empty() && Key(peer) == Key(peer_)) {
      Fail(ExitCode::kError, "UNAVAILABLE", Text(event, "reason"));
    }
  }
  if (name == "receipt") return OnReceipt(event, now);
}

void Task::OnConnected() {
  connected_ = true;
  connect_by_.reset();
  noted_.clear();
  if (NeedsSession() && !logged_in_ && place_ == Place::kAlone) {
    Fail(ExitCode::kIdentity, "UNAUTHENTICATED", "not logged in; peer-client login NAME first");
  }
}

void Task::OnRetry(const Json& event) {
  const std::string reason = Text(event, "reason");
  const std::string message = Text(event, "message");
  if (reason != "limited" && place_ == Place::kAlone) {
    const int attempt = SmallNumber(event, "attempt");
    // The message goes to a peer that is known: it needs no server. A broadcast that was sent is
    // with the server, which may come back in time to say how far it got.
    const bool needless = !message_id_.empty() || !file_id_.empty() || !broadcast_id_.empty();
    const bool over = connected_ ? spec_.verb != Verb::kWatch && attempt > kTriesWhenLost
                                 : SmallNumber(event, "of") == 0;
    if (over && !needless) {
      return Fail(
          ExitCode::kUnreachable, "UNAVAILABLE",
          absl::StrCat(reason == "full" ? "the server is full" : "the server is unreachable",
                       message.empty() ? "" : ": ", message));
    }
  }
  const std::string note = absl::StrCat(reason, message.empty() ? "" : ": ", message);
  if (note == noted_) return;
  noted_ = note;
  output_.OnNote(absl::StrCat("waiting (", note, ")"));
}

void Task::OnErrorEvent(const Json& event, MonoTime now) {
  const std::string code = Text(event, "code");
  const bool mine = place_ == Place::kAlone || Flag(event, "answer");
  if (!mine) return;
  const bool ends_session =
      code == "UNAUTHENTICATED" || code == "ALREADY_EXISTS" || code == "ABORTED";
  if (spec_.verb == Verb::kWatch && !ends_session && !absl::StartsWith(code, "SERVER_IDENTITY")) {
    return;
  }
  if (code == "NO_CONVERSATION" && spec_.verb == Verb::kSend && request_id_.empty()) {
    message_ordered_ = false;
    return Order(cmd::Request{spec_.name, "", false});
  }
  if (!broadcast_id_.empty() && MayPass(code)) return AskAgain(now);  // It is safe.
  std::string message = Text(event, "message");
  const std::string fingerprint = Text(event, "fingerprint");
  if (!fingerprint.empty()) absl::StrAppend(&message, " (the key it showed: ", fingerprint, ")");
  if (code == "ALREADY_EXISTS" && spec_.verb != Verb::kSignup && place_ == Place::kAlone) {
    absl::StrAppend(&message, "; --take-over replaces that client");
  }
  Fail(ExitCodeOf(code), code, message);
}

void Task::OnRequestSent(const Json& event, MonoTime now) {
  if (!request_id_.empty() || (place_ == Place::kBeside && !Flag(event, "answer"))) return;
  request_id_ = Text(event, "request_id");
  peer_ = Text(event, "to");
  connect_by_.reset();
  answer_by_ = now + spec_.wait;
  const auto early = early_outcomes_.find(request_id_);
  if (early != early_outcomes_.end()) OnOutcome(std::string(early->second), now);
}

void Task::OnOutcome(const std::string& outcome, MonoTime now) {
  if (approved_) return;
  if (outcome == "denied") {
    return Fail(ExitCode::kDenied, "DENIED", absl::StrCat(peer_, " declined"));
  }
  if (outcome == "expired") {
    return Fail(ExitCode::kExpired, "EXPIRED", absl::StrCat(peer_, " did not answer in time"));
  }
  if (outcome != "approved") {
    return Fail(ExitCode::kError, absl::AsciiStrToUpper(outcome),
                absl::StrCat("the request to ", peer_, " ended: ", outcome));
  }
  approved_ = true;
  answer_by_ = std::max(answer_by_.value_or(now), now + kOpenAfterApproval);
  if (open_.contains(Key(peer_))) OnOpen(peer_);
}

void Task::OnOpen(const std::string& peer) {
  if (open_.size() < kMaxEarly) open_.insert(Key(peer));
  if (!approved_ || Key(peer) != Key(peer_)) return;
  if (spec_.verb == Verb::kRequest) {
    return Finish(Json{{"event", "request_outcome"},
                       {"request_id", request_id_},
                       {"peer", peer_},
                       {"outcome", "approved"}});
  }
  if (message_ordered_) return;
  message_ordered_ = true;
  Order(cmd::Msg{peer_, spec_.text});
}

void Task::OnReceipt(const Json& event, MonoTime now) {
  if (spec_.verb != Verb::kSend) return;
  const std::string state = Text(event, "state");
  const std::string id = Text(event, "id");
  // The receipt comes when the journal is on disk, so it is told from others by the peer alone.
  const bool answers = Key(Text(event, "peer")) == Key(peer_);
  if (state == "queued" && answers && message_ordered_ && message_id_.empty()) {
    message_id_ = id;
    connect_by_.reset();
    answer_by_ = now + spec_.wait;
  } else if (state != "queued" && !message_id_.empty() && id == message_id_) {
    Finish(event);
  }
}

void Task::OnTransfer(const Json& event, MonoTime now) {
  const std::string id = Text(event, "id");
  if (file_id_.empty()) {
    // Told to everybody; the first one that is being prepared for this peer is ours.
    const bool ours = Text(event, "direction") == "out" && Text(event, "state") == "preparing" &&
                      Key(Text(event, "peer")) == Key(spec_.name);
    if (!ours) return;
    file_id_ = id;
    peer_ = Text(event, "peer");
    connect_by_.reset();
  }
  if (id != file_id_) return;
  const std::string state = Text(event, "state");
  answer_by_ = now + spec_.wait;
  if (state == "done") return Finish(event);
  if (state == "cancelled") return Fail(ExitCode::kDenied, "CANCELLED", Text(event, "reason"));
  if (state == "failed") Fail(ExitCode::kError, "ABORTED", Text(event, "reason"));
}

void Task::OnBroadcastSent(const Json& event, MonoTime now) {
  if (!broadcast_id_.empty() || (place_ == Place::kBeside && !Flag(event, "answer"))) return;
  broadcast_id_ = Text(event, "id");
  connect_by_.reset();
  answer_by_ = now + spec_.wait;
  Order(cmd::BroadcastStatus{broadcast_id_, false});
}

// The answer to List, for a broadcast that is not sent.
void Task::OnPreview(const Json& active) {
  Json names = Json::array();
  if (const auto clients = active.find("clients"); clients != active.end()) {
    for (const Json& client : *clients) names.push_back(Text(client, "username"));
  }
  // The server keeps none longer than it says.
  const uint64_t kept = Count(active, "broadcast_life_s");
  const uint64_t longest = kept > 0 ? kept : kLongestTtlS;
  const bool as_asked = spec_.ttl_s > 0 && spec_.ttl_s <= longest;
  Finish(Json{{"event", "broadcast_preview"},
              {"due_now", names.size()},
              {"ttl_s", as_asked ? spec_.ttl_s : longest},
              {"ttl_from", as_asked   ? "option"
                           : kept > 0 ? "server"
                                      : "protocol"},
              {"bytes", spec_.text.size()},
              {"usernames", std::move(names)}});
}

// The first check that failed gives the exit code.
void Task::OnDiagnosis(const Json& event) {
  static constexpr std::pair<absl::string_view, ExitCode> kCodes[] = {
      {"server", ExitCode::kUnreachable}, {"identity", ExitCode::kIdentity},
      {"udp", ExitCode::kNoUdp},          {"inbound", ExitCode::kNoInbound},
      {"clock", ExitCode::kClockOff},
  };
  const Json checks = event.value("checks", Json::array());
  const auto failed =
      std::find_if(checks.begin(), checks.end(), [](const Json& c) { return !Flag(c, "ok"); });
  if (failed == checks.end()) return Finish(event);
  const auto* const known =
      std::find_if(std::begin(kCodes), std::end(kCodes),
                   [&](const auto& code) { return code.first == Text(*failed, "check"); });
  Finish(event, known == std::end(kCodes) ? ExitCode::kError : known->second);
}

void Task::OnGoalStatus(const Json& event, MonoTime now) {
  if (broadcast_id_.empty() || Text(event, "id") != broadcast_id_) return;
  const uint64_t delivered = Count(event, "delivered");
  const uint64_t due = Count(event, "due");
  if (Flag(event, "revoked")) return Fail(ExitCode::kError, "ABORTED", "it was taken back");
  if (spec_.goal->Reached(delivered, due)) return Finish(event);
  if (due > 0) got_so_far_ = absl::StrCat(delivered, " of ", due);
  AskAgain(now);
}

void Task::AskAgain(MonoTime now) { ask_at_ = now + kAskEvery; }

std::optional<MonoTime> Task::NextDeadline() const {
  if (exit_code_) return std::nullopt;
  std::optional<MonoTime> next = connect_by_;
  for (const auto& other : {answer_by_, ask_at_}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

void Task::OnTimer(MonoTime now) {
  if (connect_by_ && *connect_by_ <= now) {
    return Fail(ExitCode::kUnreachable, "UNAVAILABLE",
                place_ == Place::kBeside ? "the running client did not answer in time"
                : noted_.empty()
                    ? "the server was not reached in time"
                    : absl::StrCat("the server was not reached in time (", noted_, ")"));
  }
  if (ask_at_ && *ask_at_ <= now) {
    ask_at_.reset();
    Order(cmd::BroadcastStatus{broadcast_id_, false});
  }
  if (!answer_by_ || *answer_by_ > now) return;
  if (!broadcast_id_.empty()) {
    return Fail(ExitCode::kExpired, "EXPIRED",
                absl::StrCat(got_so_far_.empty() ? "nobody is known to" : got_so_far_,
                             " have it so far; it stays on its way. Its id: ", broadcast_id_));
  }
  if (!file_id_.empty()) {
    return Fail(ExitCode::kExpired, "EXPIRED",
                absl::StrCat(peer_, " has not got it yet; it goes on when both clients run"));
  }
  if (!message_id_.empty()) {
    return Fail(ExitCode::kExpired, "EXPIRED",
                absl::StrCat(peer_,
                             " has not received it yet; it stays in the outbox and goes out "
                             "when both clients run"));
  }
  Fail(ExitCode::kExpired, "EXPIRED",
       approved_ ? absl::StrCat(peer_, " approved, but no connection came about in time")
                 : absl::StrCat(peer_, " did not answer in time"));
}

}  // namespace p2p::client::oneshot
