// One sub-command from its first order to its exit code. Events come in as the JSON objects of the
// JSON-lines face, so that it is the same alone (from the app model) and beside a running client
// (from its socket); commands and an exit code come out. Time is an argument; nothing blocks.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "peer-client/app/command.h"
#include "peer-client/app/data_ports.h"

namespace p2p::client::oneshot {

enum class Verb {
  kSignup,
  kLogin,
  kLogout,
  kList,
  kRequest,
  kSend,
  kSendFile,
  kBroadcast,
  kBroadcastStatus,
  kBroadcastRevoke,
  kVerify,
  kDoctor,
  kWatch,
};

// How many of those who are due must have a broadcast before its sender goes on. Who is due grows
// while people come: compared is with those due at that moment. The sender is one of them, so that
// nobody due means that the server has not written it down yet, and no goal is reached.
struct DeliveryGoal {
  uint32_t percent = 0;  // Of those due at that moment; or
  uint32_t count = 0;
  bool Reached(uint64_t delivered, uint64_t due) const {
    if (due == 0) return false;
    return count > 0 ? delivered >= count : delivered * 100 >= due * percent;
  }
};

struct TaskSpec {
  Verb verb = Verb::kList;
  std::string name;     // Username, peer or broadcast id.
  std::string text;     // Message, announcement or reason; of send-file the path.
  SecretText password;  // signup and login.
  // For the approval and the receipt of request and send, for the goal of broadcast, and from the
  // last progress of send-file.
  Duration wait = 90s;
  uint32_t ttl_s = 0;                // broadcast; 0: the longest.
  std::optional<DeliveryGoal> goal;  // broadcast; not set: sent is enough.
  bool dry_run = false;              // broadcast: says who would get it, and sends nothing.
  // For the server; not set: until the tries run out.
  std::optional<Duration> connect_wait;
};

// Where results go. Lines are complete and harmless; the end of the task is told once.
class TaskOutput {
 public:
  virtual ~TaskOutput() = default;
  virtual void OnEvent(const nlohmann::ordered_json& event) = 0;  // As it came.
  virtual void OnResult(const nlohmann::ordered_json& event) = 0;
  virtual void OnError(const std::string& code, const std::string& message) = 0;
  virtual void OnNote(const std::string& text) = 0;  // Advice while it waits.
};

class Task {
 public:
  enum class Place { kAlone, kBeside };
  // `output` outlives the task.
  Task(TaskSpec spec, Place place, TaskOutput& output);

  // `logged_in`: a session is at hand, so that no password is needed.
  void Start(bool logged_in, MonoTime now);
  void OnEvent(const nlohmann::ordered_json& event, MonoTime now);
  // The running client went away, or nobody reads the output any more.
  void OnBroken(const std::string& why);
  void OnSignal();

  std::optional<MonoTime> NextDeadline() const;
  void OnTimer(MonoTime now);

  // What is to be run now, in order.
  std::vector<Command> TakeCommands() { return std::move(commands_); }
  std::optional<ExitCode> exit_code() const { return exit_code_; }

 private:
  bool NeedsSession() const { return spec_.verb != Verb::kSignup && spec_.verb != Verb::kLogin; }
  void Order(Command command);
  void OnConnected();
  void OnRetry(const nlohmann::ordered_json& event);
  void OnErrorEvent(const nlohmann::ordered_json& event, MonoTime now);
  void OnRequestSent(const nlohmann::ordered_json& event, MonoTime now);
  void OnOutcome(const std::string& outcome, MonoTime now);
  void OnOpen(const std::string& peer);
  void OnReceipt(const nlohmann::ordered_json& event, MonoTime now);
  void OnTransfer(const nlohmann::ordered_json& event, MonoTime now);
  void OnBroadcastSent(const nlohmann::ordered_json& event, MonoTime now);
  void OnPreview(const nlohmann::ordered_json& active);
  void OnDiagnosis(const nlohmann::ordered_json& event);
  void AskAgain(MonoTime now);
  void OnGoalStatus(const nlohmann::ordered_json& event, MonoTime now);
  void Finish(const nlohmann::ordered_json& event, ExitCode code = ExitCode::kOk);
  void Fail(ExitCode code, const std::string& name, const std::string& message);

  TaskSpec spec_;
  const Place place_;
  TaskOutput& output_;
  std::vector<Command> commands_;
  std::optional<ExitCode> exit_code_;
  // broadcast with a goal
  std::string broadcast_id_;
  std::string got_so_far_;
  std::optional<MonoTime> ask_at_;
  bool logged_in_ = false;
  bool connected_ = false;
  std::optional<MonoTime> connect_by_;  // The server, or the running client, answers until then.
  std::optional<MonoTime> answer_by_;   // The person asked, or the peer.
  std::string noted_;                   // The reason for waiting that was told last.
  // request and send
  std::string peer_;
  std::string request_id_;
  bool approved_ = false;
  bool message_ordered_ = false;
  std::string message_id_;
  std::string file_id_;  // send-file
  // What came before the answer that says whom it is about; bounded.
  std::map<std::string, std::string> early_outcomes_;
  std::set<std::string> open_;
};

// The exit code for an error event's code.
ExitCode ExitCodeOf(const std::string& error_code);

}  // namespace p2p::client::oneshot
