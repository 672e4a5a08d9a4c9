#include "peer-client/oneshot/beside.h"

#include <signal.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "peer-client/cli/line_splitter.h"
#include "peer-client/oneshot/command_json.h"

namespace p2p::client::oneshot {
namespace {

using Json = nlohmann::ordered_json;

class Runner {
 public:
  Runner(net::UniqueFd socket, TaskSpec spec, Report& report, const std::string& server,
         const Clock& clock)
      : report_(report),
        server_(server),
        clock_(clock),
        task_(std::move(spec), Task::Place::kBeside, report),
        socket_(loop_, asio::local::stream_protocol(), socket.Release()),
        timer_(loop_),
        signals_(loop_, SIGINT, SIGTERM, SIGHUP) {}

  ~Runner() { report_.output().Stop(); }

  ExitCode Run() {
    report_.output().Start(loop_, [this] { After(); });
    signals_.async_wait([this](asio::error_code error, int) {
      if (error) return;
      interrupted_ = true;
      task_.OnSignal();
      After();
    });
    task_.Start(true, clock_.Mono());
    After();
    Read();
    loop_.run();
    return task_.exit_code().value_or(ExitCode::kError);
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

 private:
  void Read() {
    socket_.async_read_some(asio::buffer(buffer_), [this](asio::error_code error, size_t n) {
      if (error) {
        task_.OnBroken("the running client went away");
        return After();
      }
      lines_.Add(absl::string_view(buffer_.data(), n),
                 [this](absl::string_view line) { OnLine(line); });
      After();
      if (!task_.exit_code()) Read();
    });
  }

  void OnLine(absl::string_view line) {
    const Json event = Json::parse(line.begin(), line.end(), nullptr, false);
    if (!event.is_object() || task_.exit_code()) return;
    const auto name = event.find("event");
    if (name == event.end() || !name->is_string()) return;
    task_.OnEvent(event, clock_.Mono());
    if (*name != "client_state") return;
    const auto server = event.find("server");
    const std::string used =
        server != event.end() && server->is_string() ? server->get<std::string>() : "";
    if (!server_.empty() && used != server_) {
      task_.OnBroken(absl::StrCat("the client that runs on this data directory uses ", used,
                                  ", not ", server_));
    }
  }

  // What the task wants after every step.
  void After() {
    for (const Command& command : task_.TakeCommands()) Send(ToJsonCommand(command));
    const OutputQueue& output = report_.output();
    if (!output.ok()) task_.OnBroken(std::string(output.status().message()));
    if (task_.exit_code()) {
      if (output.idle() || !output.ok() || interrupted_) loop_.stop();
      return;
    }
    const auto next = task_.NextDeadline();
    if (!next) return;
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::max<Duration>(*next - clock_.Mono(), Duration::zero())));
    timer_.async_wait([this](asio::error_code error) {
      if (error) return;
      task_.OnTimer(clock_.Mono());
      After();
    });
  }

  // A task orders two commands at most.
  void Send(SecretText line) {
    waiting_.push_back(std::move(line));
    if (waiting_.size() == 1) WriteFirst();
  }
  void WriteFirst() {
    const absl::string_view line = waiting_.front().view();
    asio::async_write(socket_, asio::buffer(line.data(), line.size()),
                      [this](asio::error_code error, size_t) {
                        if (error) return;  // Reading tells.
                        waiting_.pop_front();
                        if (!waiting_.empty()) WriteFirst();
                      });
  }

  Report& report_;
  const std::string server_;
  const Clock& clock_;
  asio::io_context loop_;
  Task task_;
  asio::local::stream_protocol::socket socket_;
  asio::steady_timer timer_;
  asio::signal_set signals_;
  std::array<char, 16384> buffer_;
  LineSplitter lines_;
  std::deque<SecretText> waiting_;
  bool interrupted_ = false;
};

}  // namespace

ExitCode RunBeside(net::UniqueFd socket, TaskSpec spec, Report& report, const std::string& server,
                   const Clock& clock) {
  return Runner(std::move(socket), std::move(spec), report, server, clock).Run();
}

}  // namespace p2p::client::oneshot
