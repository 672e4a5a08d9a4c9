// The client without its wires: typed lines, results, channel and chat events and time go in;
// calls, output records and an exit code come out. Single-threaded, never blocks, reads no clock.
// The faces and main() drive it; tests drive it in virtual time.
#pragma once

#include <optional>
#include <string>

#include "peer-client/app/app_context.h"
#include "peer-client/app/broadcast_progress.h"
#include "peer-client/app/command_queue.h"
#include "peer-client/app/doctor.h"
#include "peer-client/app/prompt_flow.h"
#include "peer-client/app/refind.h"
#include "peer-client/app/request_book.h"
#include "peer-client/app/session_flow.h"
#include "peer-client/app/talk_desk.h"

namespace p2p::client {

class AppModel {
 public:
  // What `context` refers to outlives the model.
  explicit AppModel(const AppContext& context);

  // Opens the account's conversations when a session is saved, then connects.
  void Start(bool key_known, std::optional<Session> saved, Now now);

  // Input. While a prompt is open every line answers it, also one that looks like JSON.
  void OnLine(absl::string_view line, Now now);
  // `caller`: 0 is the face. Others are programs beside it: they are never asked back.
  void OnCommand(Command command, Now now, uint64_t caller = 0);
  // While output is shown that answers a command: who gave it. nullopt: an event for everybody.
  std::optional<uint64_t> answering() const { return answering_; }
  bool prompting() const { return prompts_.open(); }
  // No more lines: what is under way is finished, then the program ends.
  void OnInputEnd(Now now);

  // Answers of ControlPort.
  void OnProbe(const Outcome<std::string>& fingerprint, Now now);
  void OnHello(const Outcome<HelloInfo>& hello, Now now);
  void OnSignup(const Outcome<SignupInfo>& result, Now now);
  void OnLogin(Outcome<Session> result, Now now);
  void OnResumed(Outcome<Session> result, Now now);
  void OnLogout(const Outcome<Done>& result, Now now);
  void OnList(Outcome<std::vector<out::ActiveClient>> result, Now now);
  void OnRequest(const Outcome<RequestInfo>& result, Now now);
  void OnRequestStatus(const Outcome<RequestStatusInfo>& result, Now now);
  void OnBroadcast(const Outcome<BroadcastInfo>& result, Now now);
  void OnBroadcastStatus(Outcome<out::BroadcastStatus> result, Now now);
  void OnPenalties(Outcome<out::Penalties> result, Now now);
  void OnInbound(const Outcome<InboundInfo>& result, Now now);
  void OnChannelEvent(const ChannelEvent& event, Now now);
  void OnChannelEnd(const CallError& error, Now now);

  // Conversations and received broadcasts: shown as they come.
  void OnPeerOutput(Output output, Now now);

  std::optional<MonoTime> NextDeadline() const;
  void OnTimer(Now now);

  // Set once; the program ends with it when what has been said was written out.
  std::optional<ExitCode> exit_code() const { return session_.exit_code(); }

  // For the plain face's prompt line.
  std::string username() const;
  bool attached() const { return session_.attached(); }
  const std::string& focus() const { return focus_; }
  // State of a peer's key, as in out::Identity; empty: never talked with.
  std::string IdentityOf(const std::string& peer) const {
    return context_.peers.IdentityState(peer);
  }

 private:
  void Enqueue(Command command, Now now);
  void EnqueueBroadcast(cmd::Broadcast broadcast, Now now);
  // False: there is none, and that was said.
  bool NameLastBroadcast(std::string& id);
  bool MayAskProgress() const;
  bool MayRefind() const;
  void DropExpired(Now now);
  void AskProgress(Now now);
  void OnAttached(const event::Attached& attached, Now now);
  WallTime ServerTime(Now now) const;
  void AskWherePeersAre(Now now);
  void RunLocal(const Command& command, Now now);
  void SetFocus(std::string peer);
  void AddIdentity(Output& output) const;
  void TakeIntoView(const out::ChatOpen& opened);

  enum class Readiness { kWait, kRun, kRefuse };
  Readiness ReadinessOf(const Command& command) const;
  void Pump(Now now);
  void Run(ServerCommand command, Now now);
  void RunLogin(Now now);
  bool RunRequest(const cmd::Request& request, Now now);
  void AnswerRequest(const Command& command, Now now);
  void OnPeerRequest(const event::PeerRequest& request, Now now);
  void OnIntroduction(const event::Introduction& introduction);
  void SendAnswer(const std::string& request_id, RequestBook::Answer answer);
  void ShowOutcome(const std::string& request_id, std::string peer, std::string outcome);
  void AskWhatBecameOfRequests(Now now);
  void RunDoctor(uint64_t caller, Now now);
  void ShowDiagnosis(Now now);
  void Refuse(const ServerCommand& command, Now now);

  void Fail(const CallError& error, Now now);
  void LoseCurrent(const CallError& error, Now now);
  void AfterSessionChange(Now now);
  void TakeBackAndSayWhetherItWasHere(const event::BroadcastRevoked& revoked);
  void AckBroadcast(const std::string& id);
  void Error(absl::StatusCode code, std::string message);
  void FinishIfDone();

  AppContext context_;
  SessionFlow session_;
  PromptFlow prompts_;
  RequestBook requests_;
  // Asked about, see RequestBook::NextDoubtful, and when to ask once more.
  std::optional<RequestBook::Doubtful> asked_about_;
  std::optional<MonoTime> ask_again_;
  CommandQueue queue_;
  std::optional<ServerCommand> current_;  // The call that is under way.
  std::optional<uint64_t> answering_;
  std::string focus_;
  bool had_focus_ = false;  // Somebody was in view since the start.
  TalkDesk talk_;
  Refind refind_;
  Doctor doctor_;
  std::string last_broadcast_;  // Sent by this process.
  BroadcastProgress progress_;  // Plain face only.
  // What the server said at the last attach, and when.
  WallTime server_time_{};
  MonoTime attached_at_{};
  Duration broadcast_life_{};
  bool input_ended_ = false;
};

}  // namespace p2p::client
