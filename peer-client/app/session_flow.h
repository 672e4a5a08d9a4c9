// The way from nothing to an attached channel, and back to it after every failure: identity of the
// server, connection, log-in, attach, retries. Pure.
#pragma once

#include <optional>
#include <string>

#include "peer-client/app/app_context.h"
#include "peer-client/app/retry_schedule.h"
#include "peer-client/app/session_renewal.h"

namespace p2p::client {

class SessionFlow {
 public:
  enum class Phase {
    kStart,
    kProbing,      // Learning the key of an unknown server.
    kAskingTrust,  // No connection is open.
    kConnecting,
    kWaiting,  // For the next try.
    kServed,   // Connected; nobody is logged in.
    kLoggingIn,
    kRenewing,  // New tokens, because the server does not take the old one, or will not.
    kAttaching,
    kAttached,
    kStopped,  // The program ends.
  };

  explicit SessionFlow(const AppContext& context);

  // `key_known`: a pinned key or a certificate authority vouches for the server.
  void Start(bool key_known, std::optional<Session> saved, Now now);
  void OnProbe(const Outcome<std::string>& fingerprint, Now now);
  void OnTrustAnswer(bool yes, Now now);
  void OnHello(const Outcome<HelloInfo>& hello, Now now);
  void Login(const std::string& username, absl::string_view password);  // In kServed only.
  void OnLoggedIn(Session session, Now now);  // Attaches; a failed log-in: OnLoginFailed.
  void OnLoginFailed() { phase_ = Phase::kServed; }
  void OnResumed(Outcome<Session> result, Now now);
  void OnAttached(const event::Attached& attached, Now now);
  void OnDetached(const event::Detached& detached);
  void OnChannelEnd(const CallError& error, Now now);
  void OnPenalty(const Penalty& penalty, Now now);
  void OnLoggedOut(Now now);
  // A call without a session got no answer: the connection is gone.
  void OnNoAnswer(const CallError& error, Now now);
  void Stop(ExitCode code);

  Phase phase() const { return phase_; }
  bool attached() const { return phase_ == Phase::kAttached; }
  bool ever_connected() const { return ever_connected_; }
  const std::optional<Session>& session() const { return session_; }
  const HelloInfo& hello() const { return hello_; }
  std::optional<ExitCode> exit_code() const { return exit_code_; }
  std::optional<MonoTime> next_try() const { return next_try_; }
  bool input_ended = false;  // Nobody waits for retries: unreachable ends the program.

  std::optional<MonoTime> NextDeadline() const;
  void OnTimer(Now now);
  // `now.wall` by the server's clock, if it has told it: ours may be wrong, or be set at any time.
  Now ByServersClock(Now now) const;

 private:
  void Connect();
  void Attach(Now now);
  void RetryLater(const CallError& error, bool lost, Now now);
  void KeepSession(Session session);
  void Renew();
  void OnNotRenewed(const CallError& error, Now now);
  void DropSession(bool from_disk);
  void ReportError(const CallError& error);
  void ShowConnected(const HelloInfo& hello);

  AppContext context_;
  NotServedSchedule not_served_;
  LostSchedule lost_;
  SessionRenewal renewal_;
  Phase phase_ = Phase::kStart;
  std::optional<Session> session_;
  bool resuming_ = false;              // The attach under way needed no password.
  std::optional<CallError> ended_by_;  // How the server ended the channel, while renewing.
  bool key_known_ = false;
  bool ever_connected_ = false;
  bool penalty_shown_ = false;
  std::string learned_fingerprint_;
  HelloInfo hello_;
  Duration window_{};
  std::optional<Now> server_clock_;  // As told with the last attach, and when.
  std::optional<MonoTime> next_try_;
  std::optional<event::Detached> detached_;
  std::optional<ExitCode> exit_code_;
};

// The contract's name of a gRPC code: "UNAVAILABLE".
std::string CodeName(absl::StatusCode code);

}  // namespace p2p::client
