#include "peer-client/chat/link_dialler.h"

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "peer-client/chat/asio_address.h"
#include "peer-client/chat/dial_schedule.h"

namespace p2p::client {
namespace {

using asio::ip::tcp;

constexpr size_t kLanes = 3;
constexpr Duration kConnect = 3s;  // A silent address does not hold up the others for longer.

}  // namespace

LinkDialler::LinkDialler(asio::io_context& io, Job job, const Clock& clock, Random& random,
                         Establish establish, OnFailed on_failed)
    : io_(io),
      job_(std::move(job)),
      clock_(&clock),
      random_(&random),
      establish_(std::move(establish)),
      on_failed_(std::move(on_failed)),
      last_error_(job_.plan.dial.size(), "not tried yet") {
  const size_t addresses = job_.plan.dial.size();
  // With nothing to dial one lane waits for the end: the peer may dial us meanwhile.
  const size_t lanes = std::clamp<size_t>(addresses, 1, kLanes);
  for (size_t i = 0; i < lanes; ++i) lanes_.push_back(std::make_unique<Lane>(io_));
  for (size_t i = 0; i < addresses; ++i) lanes_[i % lanes]->addresses.push_back(i);
}

void LinkDialler::Start() {
  running_ = true;
  lanes_running_ = lanes_.size();
  for (const auto& lane : lanes_) {
    auto run = [self = shared_from_this(), l = lane.get()] { return self->Run(*l); };
    asio::co_spawn(io_, std::move(run), asio::detached);
  }
}

void LinkDialler::Stop() {
  stopped_ = true;
  running_ = false;
  establish_ = nullptr;
  on_failed_ = nullptr;
  asio::error_code ignored;
  for (const auto& lane : lanes_) {
    lane->timer.cancel();
    if (lane->connecting != nullptr) lane->connecting->close(ignored);
  }
}

std::vector<std::string> LinkDialler::Reasons() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < last_error_.size(); ++i) {
    out.push_back(absl::StrCat(job_.plan.dial[i].ToString(), ": ", last_error_[i]));
  }
  for (const auto& [address, verdict] : job_.plan.refused) {
    out.push_back(absl::StrCat(address.ToString(), ": ", DialVerdictText(verdict)));
  }
  if (out.empty()) out.push_back("the peer accepts no connections");
  return out;
}

asio::awaitable<void> LinkDialler::Run(Lane& lane) {
  const auto self = shared_from_this();
  DialSchedule schedule(clock_->Mono(), job_.total);
  lane.end =
      clock_->Mono() + std::max(job_.total, kConnect * static_cast<int64_t>(lane.addresses.size()));
  while (!stopped_) {
    const bool established = co_await Round(lane);
    if (stopped_) co_return;
    if (established) co_return Stop();
    const auto next = schedule.Next(clock_->Mono());
    if (!next || identity_refused_) co_return LaneFailed();
    asio::error_code ignored;
    lane.timer.expires_after(*next - clock_->Mono());
    co_await lane.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void LinkDialler::LaneFailed() {
  if (--lanes_running_ > 0 || stopped_) return;
  running_ = false;
  on_failed_(Reasons());
  Stop();
}

asio::awaitable<bool> LinkDialler::Round(Lane& lane) {
  for (const size_t i : lane.addresses) {
    if (stopped_) break;
    const absl::Status status = co_await Dial(lane, job_.plan.dial[i]);
    if (status.ok()) co_return true;
    last_error_[i] = std::string(status.message());
    // Somebody else answers there, and will next time.
    if (absl::IsPermissionDenied(status)) identity_refused_ = true;
  }
  co_return false;
}

asio::awaitable<absl::Status> LinkDialler::Connect(Lane& lane, tcp::socket& socket,
                                                   net::SocketAddress to) {
  bool timed_out = false;
  const Duration left = lane.end - clock_->Mono();
  lane.timer.expires_after(std::clamp(left, Duration::zero(), kConnect));
  lane.timer.async_wait([&socket, &timed_out](const asio::error_code& error) {
    if (error) return;
    timed_out = true;
    asio::error_code ignored;
    socket.close(ignored);
  });
  asio::error_code error;
  const auto endpoint = ToEndpoint(to);
  lane.connecting = &socket;
  co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  lane.connecting = nullptr;
  // As in the listener: a handler that is queued already still holds `socket`.
  if (lane.timer.cancel() == 0) co_await asio::post(io_, asio::use_awaitable);
  if (timed_out) co_return absl::DeadlineExceededError("no answer in time");
  if (error) co_return absl::UnavailableError(error.message());
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> LinkDialler::Dial(Lane& lane, net::SocketAddress to) {
  tcp::socket socket(io_);
  const absl::Status connected = co_await Connect(lane, socket, to);
  if (!connected.ok()) co_return connected;
  if (stopped_) co_return absl::CancelledError("stopped");
  asio::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  const KnockBytes knock =
      MakeKnock(job_.knock_key, job_.link, job_.role, random_->Array<wire::kKnockRandomSize>());
  // 32 bytes fit in the empty send buffer of a new connection.
  co_await asio::async_write(socket, asio::buffer(knock),
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return absl::UnavailableError(error.message());
  if (stopped_) co_return absl::CancelledError("stopped");
  const absl::Status status = co_await establish_(std::move(socket), to);
  co_return status;
}

}  // namespace p2p::client
