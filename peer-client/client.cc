#include "peer-client/client.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <cstdlib>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "common/net/address.h"
#include "peer-client/account_data.h"
#include "peer-client/app/app_model.h"
#include "peer-client/cli/fd_pump.h"
#include "peer-client/cli/json_lines.h"
#include "peer-client/cli/line_splitter.h"
#include "peer-client/cli/output_queue.h"
#include "peer-client/cli/plain_face.h"
#include "peer-client/cli/terminal.h"
#include "peer-client/control/control_client.h"
#include "peer-client/face_mux.h"

namespace p2p::client {
namespace {

constexpr char kClientVersion[] = "peer-client 0.1";
// The server ends a channel that was closed cleanly at once; nobody waits longer than this.
constexpr auto kCloseGrace = std::chrono::milliseconds(500);

void Diagnose(absl::string_view text) {
  if (!text.empty()) WriteDiagnostic(absl::StrCat("peer-client: ", text));
}

// A one-shot's task between the model's output and its orders.
class TaskFace final : public OutputSink {
 public:
  TaskFace(const Clock& clock, oneshot::TaskSpec spec, oneshot::Report& report)
      : clock_(clock),
        report_(report),
        fresh_(spec.verb == oneshot::Verb::kSignup || spec.verb == oneshot::Verb::kLogin),
        serves_(spec.verb == oneshot::Verb::kWatch),
        task_(std::move(spec), oneshot::Task::Place::kAlone, report) {}
  void Show(const Output& output) override {
    const auto line = ToJsonLine(output, clock_.Wall());
    if (line) task_.OnEvent(nlohmann::ordered_json::parse(*line), clock_.Mono());
  }
  bool shows_events() const { return report_.shows_events(); }
  bool fresh() const { return fresh_; }    // The saved session is not used.
  bool serves() const { return serves_; }  // Long enough for others beside it.
  oneshot::Task& task() { return task_; }

 private:
  const Clock& clock_;
  oneshot::Report& report_;
  const bool fresh_, serves_;
  oneshot::Task task_;
};

// Events on standard output, diagnostics on standard error.
class JsonFace final : public OutputSink {
 public:
  JsonFace(const Clock& clock, OutputQueue& output) : clock_(clock), output_(output) {}
  void Show(const Output& output) override {
    const auto line = ToJsonLine(output, clock_.Wall());
    if (!line) return Diagnose(DiagnosticText(output));
    output_.Write(absl::StrCat(*line, "\n"));
  }

 private:
  const Clock& clock_;
  OutputQueue& output_;
};

class Client final : public ControlEvents, public StatePort {
 public:
  Client(const ClientOptions& options, DataDirectory& directory, const Clock& clock, Random& random,
         OutputQueue& queue, std::unique_ptr<TaskFace> task_face)
      : options_(options),
        directory_(directory),
        clock_(clock),
        output_(queue),
        endpoint_(EndpointText(options.host, options.port)),
        work_(loop_.get_executor()),
        timer_(loop_),
        close_timer_(loop_),
        signals_(loop_, SIGINT, SIGTERM, SIGHUP),
        resize_(loop_, SIGWINCH, SIGCONT),
        task_face_(std::move(task_face)) {
    MakeFace();
    app_options_.plain = plain_face_ != nullptr;
    app_options_.one_shot = task_face_ != nullptr;
    app_options_.timing = options.timing;
    app_options_.auto_accept = options.auto_accept;
    app_options_.trust = options.trust_on_first_use                   ? TrustPolicy::kAccept
                         : plain_face_ && ::isatty(STDIN_FILENO) == 1 ? TrustPolicy::kAsk
                                                                      : TrustPolicy::kRefuse;
    AccountData::Hooks hooks;
    hooks.show = [this](Output output) { return ShowFromPeers(std::move(output)); };
    hooks.fingerprint = [this] { return fingerprint_; };
    hooks.server_address = [this] { return ServerIp(); };
    hooks.downloads = options.downloads;
    hooks.history_life = options.history_life;
    hooks.read_receipts = options.read_receipts;
    account_ = std::make_unique<AccountData>(loop_, directory, options_.timing, clock, random,
                                             std::move(hooks));
    random_ = &random;
  }

  ExitCode Run() {
    if (const absl::Status status = ChooseIdentity(); !status.ok()) return Refuse(status);
    std::optional<Session> saved;
    if (!fingerprint_.empty()) {
      auto loaded = directory_.LoadSession(fingerprint_);
      if (!loaded.ok()) return Refuse(loaded.status());
      saved = std::move(*loaded);
    }
    if (task_face_ && task_face_->fresh()) saved.reset();
    MakeControl();
    MakeMux();
    model_ =
        std::make_unique<AppModel>(AppContext{*control_, *account_, *account_, *account_, *account_,
                                              *this, *mux_, *random_, app_options_});
    if (plain_face_) plain_face_->SetModel(*model_);
    WatchSignals();
    output_.Start(loop_, [this] { OnOutputChange(); });
    mux_->SetModel(*model_);
    if (!task_face_) {
      auto pump = FdPump::Start(loop_, STDIN_FILENO, POLLIN, [this] { return ReadInput(); });
      if (!pump.ok()) return Refuse(pump.status());
      pump_ = std::move(*pump);
    } else {
      const bool live = saved && !saved->token.empty() && saved->expires_at > clock_.Wall();
      task_face_->task().Start(live, clock_.Mono());
    }
    const bool key_known = !fingerprint_.empty() || !options_.ca_pem.empty();
    Turn([&](Now now) { model_->Start(key_known, std::move(saved), now); });
    loop_.run();
    pump_.reset();
    return exit_code_.value_or(ExitCode::kError);
  }

  // Nothing of the library's is called back after this.
  ~Client() override {
    pump_.reset();
    output_.Stop();
    control_.reset();
    account_.reset();
  }

 private:
  OutputSink& face() {
    if (task_face_) return *task_face_;
    return plain_face_ ? static_cast<OutputSink&>(*plain_face_) : *json_face_;
  }
  Now ReadClocks() const { return {clock_.Mono(), clock_.Wall()}; }

  // Everything that reaches the model comes through here: then the timer and the prompt follow, and
  // the end is noticed.
  template <class F>
  void Turn(F f) {
    f(ReadClocks());
    if (!output_.ok() && !exit_code_ && EndUnread()) return;
    if (task_face_ && !exit_code_ && RunTask()) return;
    if (model_->exit_code() && !exit_code_) return End(*model_->exit_code());
    if (plain_face_) plain_face_->Refresh();
    ArmTimer();
  }

  // False: the task says it, and ends.
  bool EndUnread() {
    if (task_face_) {
      task_face_->task().OnBroken(std::string(output_.status().message()));
      return false;
    }
    Diagnose(output_.status().message());
    End(ExitCode::kError);
    return true;
  }

  // Runs what the task ordered; true when it has ended.
  bool RunTask() {
    oneshot::Task& task = task_face_->task();
    while (!task.exit_code()) {
      auto commands = task.TakeCommands();
      if (commands.empty()) break;
      for (Command& command : commands) model_->OnCommand(std::move(command), ReadClocks());
    }
    if (task.exit_code()) End(*task.exit_code());
    return task.exit_code().has_value();
  }

  // The socket for one-shots beside this client, and the way of every output to its readers.
  void MakeMux() {
    FaceMux::Hooks hooks;
    hooks.on_command = [this](Command command, uint64_t caller) {
      if (exit_code_) return;
      Turn([&](Now now) { model_->OnCommand(std::move(command), now, caller); });
    };
    mux_ = std::make_unique<FaceMux>(face(), clock_, endpoint_, std::move(hooks));
    if (task_face_ && !task_face_->serves()) return;
    if (const auto status = mux_->Serve(loop_, options_.data_dir); !status.ok()) {
      Diagnose(absl::StrCat("no socket for sub-commands: ", status.message()));
    }
  }

  void ArmTimer() {
    auto next = model_->NextDeadline();
    if (task_face_) {
      const auto due = task_face_->task().NextDeadline();
      if (due && (!next || *due < *next)) next = due;
    }
    if (!next) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::max<Duration>(*next - clock_.Mono(), Duration::zero())));
    timer_.async_wait([this](asio::error_code error) {
      if (!error && !exit_code_) {
        Turn([this](Now now) {
          if (task_face_) task_face_->task().OnTimer(now.mono);
          model_->OnTimer(now);
        });
      }
    });
  }

  void MakeFace() {
    if (task_face_) return;
    if (options_.jsonl) {
      json_face_ = std::make_unique<JsonFace>(clock_, output_);
      return;
    }
    Terminal::Callbacks callbacks;
    callbacks.on_line = [this](absl::string_view line) {
      if (!exit_code_) Turn([&](Now now) { model_->OnLine(line, now); });
    };
    callbacks.on_end = [this] { OnInputEnd(); };
    const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
    terminal_ = terminal ? MakeEditTerminal(output_, std::move(callbacks))
                         : MakePipeTerminal(output_, std::move(callbacks));
    const bool colour = terminal && std::getenv("NO_COLOR") == nullptr;
    plain_face_ = std::make_unique<PlainFace>(loop_, clock_, *terminal_, endpoint_, colour);
  }

  // The key by which the server is known: told, remembered, or none yet.
  absl::Status ChooseIdentity() {
    fingerprint_ = options_.server_fingerprint;
    if (!fingerprint_.empty()) return absl::OkStatus();
    auto known = directory_.KnownServers();
    if (!known.ok()) return known.status();
    for (const auto& server : *known) {
      if (server.endpoint == endpoint_) {
        fingerprint_ = server.fingerprint;
        break;
      }
    }
    return absl::OkStatus();
  }

  void MakeControl() {
    ControlOptions control;
    control.host = options_.host;
    control.port = options_.port;
    if (!fingerprint_.empty()) control.pin = fingerprint_;
    control.ca_pem = options_.ca_pem;
    control.device_key = &directory_.device_key();
    control.take_over = options_.take_over;
    control.client_version = kClientVersion;
    control.timing = options_.timing;
    control_ = std::make_unique<ControlClient>(loop_, *this, std::move(control));
  }

  ExitCode Refuse(const absl::Status& status) {
    Diagnose(RenderUntrusted(status.message(), TextKind::kLine));
    return ExitCode::kError;
  }

  void WatchSignals() {
    signals_.async_wait([this](asio::error_code error, int) {
      if (error) return;
      hurried_ = true;
      if (task_face_) task_face_->task().OnSignal();
      End(task_face_ ? task_face_->task().exit_code().value_or(ExitCode::kError) : ExitCode::kOk);
    });
    WatchResize();
  }
  void WatchResize() {
    resize_.async_wait([this](asio::error_code error, int) {
      if (error) return;
      if (terminal_) terminal_->OnResize();
      WatchResize();
    });
  }

  // Input ---------------------------------------------------------------------------------------

  bool ReadInput() {
    if (terminal_) return terminal_->OnReadable() && !exit_code_;
    char buffer[65536];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    const auto on_line = [this](absl::string_view line) { OnJsonLine(line); };
    if (n <= 0) {
      lines_.Finish(on_line);
      OnInputEnd();
      return false;
    }
    const uint64_t too_long = lines_.too_long();
    lines_.Add(absl::string_view(buffer, static_cast<size_t>(n)), on_line);
    Wipe(buffer, sizeof buffer);
    if (lines_.too_long() > too_long) {
      face().Show(out::Error{"BAD_COMMAND", "the line is longer than 1 MiB", ""});
    }
    return !exit_code_;
  }

  void OnJsonLine(absl::string_view line) {
    if (exit_code_) return;
    Turn([&](Now now) {
      if (!model_->prompting() && LooksLikeJson(line)) {
        model_->OnCommand(ParseJsonCommand(line), now);
      } else {
        model_->OnLine(line, now);
      }
    });
  }

  void OnInputEnd() {
    if (!exit_code_) Turn([this](Now now) { model_->OnInputEnd(now); });
  }

  // The end -------------------------------------------------------------------------------------

  void End(ExitCode code) {
    if (exit_code_) {
      loop_.stop();  // Asked twice.
      return;
    }
    exit_code_ = code;
    timer_.cancel();
    mux_->StopServing();
    account_->Close();
    close_timer_.expires_after(kCloseGrace);
    close_timer_.async_wait([this](asio::error_code error) {
      if (error) return;
      if (hurried_) loop_.stop();  // Whoever sent a signal does not wait for a reader.
      closed_ = true;
      LeaveIfDone();
    });
    signals_.async_wait([this](asio::error_code error, int) {
      if (!error) loop_.stop();
    });
    control_->CloseChannel([this] {
      closed_ = true;
      LeaveIfDone();
    });
  }

  // What was said last is written out first, however slowly it is read.
  void LeaveIfDone() {
    if (closed_ && (output_.idle() || !output_.ok())) loop_.stop();
  }

  void OnOutputChange() {
    while (!shown_later_.empty() && shown_later_.front().at <= output_.written()) {
      const ShownLater item = std::move(shown_later_.front());
      shown_later_.pop_front();
      account_->MarkShown(item.peer, item.id);
    }
    if (terminal_ && output_.idle() && output_.ok()) terminal_->OnWritten();
    if (exit_code_) return LeaveIfDone();
    if (!output_.ok()) Turn([](Now) {});
  }

  // From the server -----------------------------------------------------------------------------

  template <class F>
  void FromServer(F f) {
    if (!exit_code_) Turn(std::move(f));
  }
  void OnProbe(Outcome<std::string> fingerprint) override {
    FromServer([&](Now now) { model_->OnProbe(fingerprint, now); });
  }
  void OnHello(Outcome<HelloInfo> hello) override {
    if (const auto* info = std::get_if<HelloInfo>(&hello)) {
      if (!info->fingerprint.empty()) NoteServer(info->fingerprint);
    }
    FromServer([&](Now now) { model_->OnHello(hello, now); });
  }
  void OnSignup(Outcome<SignupInfo> result) override {
    FromServer([&](Now now) { model_->OnSignup(result, now); });
  }
  void OnLogin(Outcome<Session> result) override {
    FromServer([&](Now now) { model_->OnLogin(std::move(result), now); });
  }
  void OnResumed(Outcome<Session> result) override {
    FromServer([&](Now now) { model_->OnResumed(std::move(result), now); });
  }
  void OnLogout(Outcome<Done> result) override {
    FromServer([&](Now now) { model_->OnLogout(result, now); });
  }
  void OnList(Outcome<std::vector<out::ActiveClient>> result) override {
    FromServer([&](Now now) { model_->OnList(std::move(result), now); });
  }
  void OnRequest(Outcome<RequestInfo> result) override {
    FromServer([&](Now now) { model_->OnRequest(result, now); });
  }
  void OnBroadcast(Outcome<BroadcastInfo> result) override {
    FromServer([&](Now now) { model_->OnBroadcast(result, now); });
  }
  void OnBroadcastStatus(Outcome<out::BroadcastStatus> result) override {
    FromServer([&](Now now) { model_->OnBroadcastStatus(std::move(result), now); });
  }
  void OnPenalties(Outcome<out::Penalties> result) override {
    FromServer([&](Now now) { model_->OnPenalties(std::move(result), now); });
  }
  void OnRequestStatus(Outcome<RequestStatusInfo> result) override {
    FromServer([&](Now now) { model_->OnRequestStatus(result, now); });
  }
  void OnInbound(Outcome<InboundInfo> result) override {
    FromServer([&](Now now) { model_->OnInbound(result, now); });
  }
  void OnChannelEvent(ChannelEvent event) override {
    FromServer([&](Now now) { model_->OnChannelEvent(event, now); });
  }
  void OnChannelEnd(CallError error) override {
    FromServer([&](Now now) { model_->OnChannelEnd(error, now); });
  }

  std::optional<net::IpAddress> ServerIp() const {
    const auto peer = net::ParseGrpcPeer(control_->ServerAddress());
    if (!peer) return std::nullopt;
    return peer->ip;
  }

  // From conversations and broadcasts; may come from inside a turn. True: its reader has it.
  bool ShowFromPeers(Output output) {
    ShownLater item;
    if (const auto* chat = std::get_if<out::Chat>(&output)) item = {0, chat->peer, chat->id};
    if (const auto* broadcast = std::get_if<out::Broadcast>(&output)) item.id = broadcast->id;
    if (!model_) {
      face().Show(output);
    } else {
      const bool closed = std::holds_alternative<out::ChatClosed>(output);
      model_->OnPeerOutput(std::move(output), ReadClocks());
      if (closed && !exit_code_) WakeModel();
    }
    if (plain_face_) plain_face_->Refresh();
    if (task_face_ && !exit_code_) WakeModel();
    if (!output_.ok() || (task_face_ && !task_face_->shows_events())) return false;
    if (output_.idle()) return true;
    item.at = output_.accepted();
    if (!item.id.empty()) shown_later_.push_back(std::move(item));
    return false;
  }

  // What came outside a turn may have given the task or the model something to do.
  void WakeModel() {
    asio::post(loop_, [this] {
      if (!exit_code_) Turn([](Now) {});
    });
  }

  // State ---------------------------------------------------------------------------------------

  // The server answered with this key: the start without a server finds its state by it.
  void NoteServer(const std::string& fingerprint) {
    if (noted_ && fingerprint == fingerprint_) return;
    if (!options_.ca_pem.empty()) fingerprint_ = fingerprint;
    noted_ = true;
    Remember(account_name_).IgnoreError();  // Told on stderr; this run goes on.
  }

  absl::Status Remember(const std::string& account) {
    std::string name = account;
    if (name.empty()) {  // Keep the one that is known.
      if (const auto known = directory_.KnownServers(); known.ok()) {
        for (const auto& server : *known) {
          if (server.endpoint == endpoint_ && server.fingerprint == fingerprint_) {
            name = server.account;
          }
        }
      }
    }
    const auto status = directory_.Remember({endpoint_, fingerprint_, name});
    if (!status.ok()) Diagnose(status.message());
    return status;
  }

  absl::Status TrustServer(const std::string& fingerprint) override {
    fingerprint_ = fingerprint;
    return Remember("");
  }
  absl::Status SaveSession(const Session& session) override {
    account_name_ = session.username;
    last_session_ = session.Clone();
    if (const auto status = Remember(session.username); !status.ok()) return status;
    return directory_.SaveSession(fingerprint_, session);
  }
  // The account stays known, so that its conversations open at the next start.
  absl::Status ForgetSession() override {
    if (!last_session_) {
      auto loaded = directory_.LoadSession(fingerprint_);
      if (!loaded.ok()) return loaded.status();
      if (!*loaded) return absl::OkStatus();
      last_session_ = std::move(**loaded);
    }
    last_session_->token.Clear();
    last_session_->resume_token.Clear();
    last_session_->expires_at = WallTime();
    return directory_.SaveSession(fingerprint_, *last_session_);
  }

  // A message or (no peer) a broadcast that counts as shown when so much of the output is written.
  struct ShownLater {
    uint64_t at = 0;
    std::string peer;
    std::string id;
  };

  const ClientOptions& options_;
  DataDirectory& directory_;
  const Clock& clock_;
  OutputQueue& output_;
  const std::string endpoint_;
  asio::io_context loop_{1};  // One thread runs it.
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer timer_;
  asio::steady_timer close_timer_;
  asio::signal_set signals_;
  asio::signal_set resize_;
  AppOptions app_options_;
  Random* random_ = nullptr;
  std::string fingerprint_;
  bool noted_ = false;
  std::string account_name_;
  std::optional<Session> last_session_;
  std::unique_ptr<TaskFace> task_face_;
  std::unique_ptr<JsonFace> json_face_;
  std::unique_ptr<Terminal> terminal_;
  std::unique_ptr<PlainFace> plain_face_;
  std::unique_ptr<FaceMux> mux_;
  std::unique_ptr<AccountData> account_;
  std::unique_ptr<ControlClient> control_;
  std::unique_ptr<AppModel> model_;
  std::unique_ptr<FdPump> pump_;
  LineSplitter lines_;
  std::deque<ShownLater> shown_later_;  // Each is a part of what the output queue bounds.
  std::optional<ExitCode> exit_code_;
  bool hurried_ = false;  // By a signal.
  bool closed_ = false;   // The server knows.
};

}  // namespace

ExitCode RunClient(const ClientOptions& options, DataDirectory& directory, const Clock& clock,
                   Random& random) {
  OutputQueue output(STDOUT_FILENO);
  const ExitCode code = Client(options, directory, clock, random, output, nullptr).Run();
  if (output.ok() || code != ExitCode::kOk) return code;
  Diagnose(output.status().message());
  return ExitCode::kError;
}

ExitCode RunOneShotClient(const ClientOptions& options, DataDirectory& directory,
                          const Clock& clock, Random& random, oneshot::TaskSpec spec,
                          oneshot::Report& report) {
  auto face = std::make_unique<TaskFace>(clock, std::move(spec), report);
  return Client(options, directory, clock, random, report.output(), std::move(face)).Run();
}

}  // namespace p2p::client
