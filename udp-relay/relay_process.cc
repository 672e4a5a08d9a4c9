#include "udp-relay/relay_process.h"

#include <signal.h>

#include <asio/post.hpp>
#include <utility>

#include "absl/memory/memory.h"
#include "common/base/check.h"
#include "common/base/log.h"

namespace p2p::relay {
namespace {

// For the last reports to leave and the server to end the link.
constexpr Duration kGoodBye = 2s;

}  // namespace

absl::StatusOr<std::unique_ptr<RelayProcess>> RelayProcess::Create(
    ProcessOptions options, const Clock& clock,
    std::function<void(const net::SocketAddress&)> ready) {
  auto process =
      absl::WrapUnique(new RelayProcess(clock, options.link.timing.relay_drain, std::move(ready)));
  P2P_ASSIGN_OR_RETURN(
      process->workers_,
      RelayWorkers::Start(options.listen, options.setup, OptionsFromTiming(options.link.timing),
                          clock, process->random_, process->reports_));
  if (options.link.advertise_port == 0) {
    options.link.advertise_port = process->workers_->address().port;
  }
  process->link_ = std::make_unique<LinkClient>(
      process->loop_, clock, process->random_, std::move(options.link), process->reports_,
      *process->workers_, static_cast<LinkListener&>(*process));
  return process;
}

RelayProcess::RelayProcess(const Clock& clock, Duration drain_time,
                           std::function<void(const net::SocketAddress&)> ready)
    : clock_(clock),
      drain_time_(drain_time),
      ready_(std::move(ready)),
      signals_(loop_),
      drain_timer_(loop_),
      reports_([this] { asio::post(loop_, [this] { link_->OnReports(); }); }) {}

absl::Status RelayProcess::Run() {
  asio::error_code ignored;
  signals_.add(SIGTERM, ignored);
  signals_.add(SIGINT, ignored);
  AwaitSignal();
  link_->Start();
  loop_.run();
  return result_;
}

void RelayProcess::Stop() {
  asio::post(loop_, [this] { BeginDrain(); });
}

void RelayProcess::AwaitSignal() {
  signals_.async_wait([this](const asio::error_code& error, int) {
    if (error) return;
    AwaitSignal();
    BeginDrain();
  });
}

void RelayProcess::OnLinked() {
  workers_->Clear();
  if (std::exchange(told_ready_, true)) return;
  ready_(workers_->address());
}

void RelayProcess::OnRefused(const absl::Status& why) {
  result_ = why;
  loop_.stop();
}

void RelayProcess::BeginDrain() {
  if (std::exchange(draining_, true)) {
    LogWarning("relay_stopped_at_once");
    return loop_.stop();
  }
  LogInfo("relay_draining", {{"linked", link_->linked()}, {"sessions", workers_->sessions()}});
  if (!link_->linked()) return link_->Close();
  link_->Drain();
  workers_->Drain([this] { asio::post(loop_, [this] { EndDrain(); }); });
  drain_timer_.expires_after(drain_time_);
  drain_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) EndDrain();
  });
}

void RelayProcess::EndDrain() {
  if (std::exchange(drained_, true)) return;
  link_->Close();
  drain_timer_.expires_after(kGoodBye);
  drain_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) loop_.stop();
  });
}

}  // namespace p2p::relay
