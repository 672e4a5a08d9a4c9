#include "peer-client/chat/link_connection.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace p2p::client {
namespace {

constexpr size_t kReadSize = 16 * 1024;  // A TLS record.
constexpr Duration kGoodbye = 1s;        // For close_notify both ways.

}  // namespace

LinkConnection::LinkConnection(asio::ip::tcp::socket socket,
                               std::shared_ptr<const net::PeerTlsContext> tls, Setup setup,
                               const config::Timing& timing, const Clock& clock,
                               Conversation& conversation, Owner& owner)
    : setup_(std::move(setup.session)),
      link_(setup_->intro_id),
      path_(std::move(setup.path)),
      timing_(timing),
      clock_(&clock),
      conversation_(conversation),
      owner_(&owner),
      stream_(std::move(socket), std::move(tls),
              setup_->dialler ? net::TlsRole::kClient : net::TlsRole::kServer, setup.peer_key),
      watchdog_(stream_.executor()),
      work_(stream_.executor()),
      pause_(stream_.executor()),
      deadline_(stream_.executor()) {}

asio::awaitable<absl::Status> LinkConnection::Establish() {
  const auto self = shared_from_this();
  watchdog_.expires_after(timing_.peer_handshake);
  watchdog_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto connection = weak.lock();
    if (error || connection == nullptr) return;
    connection->timed_out_ = true;
    connection->stream_.Close();
  });
  absl::Status status = co_await EstablishSteps();
  watchdog_.cancel();
  if (owner_ == nullptr) status = absl::CancelledError("no longer wanted");
  if (!status.ok() && timed_out_) status = absl::DeadlineExceededError("no answer in time");
  if (!status.ok()) {
    owner_ = nullptr;
    stream_.Close();
  }
  co_return status;
}

asio::awaitable<absl::Status> LinkConnection::EstablishSteps() {
  absl::Status status = co_await stream_.Handshake();
  if (!status.ok()) co_return status;
  if (owner_ == nullptr) co_return absl::CancelledError("no longer wanted");
  auto exporter = stream_.Exporter(wire::kExporterLabel, wire::kExporterSize);
  if (!exporter.ok()) co_return exporter.status();
  setup_->exporter = *std::move(exporter);
  session_.emplace(*std::move(setup_), timing_, conversation_, clock_->Mono());
  setup_.reset();
  status = co_await ExchangeHello();
  co_return status;
}

asio::awaitable<absl::Status> LinkConnection::ExchangeHello() {
  std::array<uint8_t, kReadSize> buffer;
  while (true) {
    if (owner_ == nullptr) co_return absl::CancelledError("no longer wanted");
    const Bytes out = session_->TakeOutput(clock_->Mono());
    if (!out.empty()) {
      const absl::Status written = co_await stream_.Write(out);
      if (!written.ok()) co_return written;
      continue;
    }
    if (session_->proven()) co_return absl::OkStatus();
    const absl::StatusOr<size_t> n = co_await stream_.ReadSome(buffer);
    if (!n.ok()) co_return n.status();
    if (*n == 0) co_return absl::UnavailableError("the peer closed the connection");
    if (owner_ == nullptr) co_return absl::CancelledError("no longer wanted");
    session_->OnBytes(ByteView(buffer).first(*n), clock_->Mono(), early_events_);
    if (session_->closed()) co_return EndStatus();
  }
}

absl::Status LinkConnection::EndStatus() const {
  const absl::string_view text = SessionEndText(session_->end());
  return session_->end() == SessionEnd::kNotProven ? absl::PermissionDeniedError(text)
                                                   : absl::UnavailableError(text);
}

void LinkConnection::Run() {
  const auto self = shared_from_this();
  asio::co_spawn(
      stream_.executor(), [self] { return self->ReadLoop(); }, asio::detached);
  asio::co_spawn(
      stream_.executor(), [self] { return self->WriteLoop(); }, asio::detached);
  reading_ = true;
  if (owner_ != nullptr) owner_->OnEvents(*this, std::exchange(early_events_, {}));
  std::vector<SessionEvent> behind;
  session_->Continue(clock_->Mono(), behind);
  if (owner_ != nullptr && !behind.empty()) owner_->OnEvents(*this, std::move(behind));
  ReportEnd();
  Wake();
}

void LinkConnection::Wake() {
  work_waiting_ = true;
  work_.cancel();
  ArmDeadline();
}

void LinkConnection::Release() {
  owner_ = nullptr;
  LimitGoodbye();
  work_waiting_ = true;
  work_.cancel();
}

void LinkConnection::Close(SessionEnd end) {
  owner_ = nullptr;
  if (session_) session_->Close(end);
  if (reading_) {
    LimitGoodbye();
  } else {
    stream_.Close();
  }
  work_waiting_ = true;
  work_.cancel();
  pause_.cancel();
  deadline_.cancel();
}

// A peer that takes nothing any more does not keep the socket.
void LinkConnection::LimitGoodbye() {
  if (std::exchange(leaving_, true)) return;
  watchdog_.expires_after(kGoodbye);
  watchdog_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->stream_.Close();
  });
}

void LinkConnection::Fail(const absl::Status& status) {
  if (session_->closed()) return;
  detail_ = std::string(status.message());
  session_->Close(SessionEnd::kNetwork);
}

void LinkConnection::ReportEnd() {
  if (owner_ == nullptr || !session_->closed()) return;
  Owner* owner = std::exchange(owner_, nullptr);
  owner->OnEnded(*this, session_->end(), detail_);
  Close(session_->end());
}

asio::awaitable<void> LinkConnection::PauseReading() {
  if (owner_ == nullptr || session_->ReadAllowedAt() <= clock_->Mono()) co_return;
  asio::error_code ignored;
  pause_.expires_after(session_->ReadAllowedAt() - clock_->Mono());
  co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> LinkConnection::ReadLoop() {
  const auto self = shared_from_this();
  std::array<uint8_t, kReadSize> buffer;
  while (!session_->closed()) {
    co_await PauseReading();
    if (session_->closed()) break;
    const absl::StatusOr<size_t> n = co_await stream_.ReadSome(buffer);
    if (session_->closed()) break;
    std::vector<SessionEvent> events;
    events.reserve(4);  // Receipts and a message, as a rule.
    const uint64_t frames = session_->frames_received();
    if (!n.ok()) {
      Fail(n.status());
    } else if (*n == 0) {
      session_->Close(SessionEnd::kClosedByPeer);
    } else {
      session_->OnBytes(ByteView(buffer).first(*n), clock_->Mono(), events);
    }
    if (owner_ != nullptr && !events.empty()) owner_->OnEvents(*this, std::move(events));
    ReportEnd();
    // A piece of a frame gives the writer nothing to do.
    if (!session_->closed() && session_->frames_received() == frames) continue;
    Wake();
    // What came has its consequences, and the answers are on their way, before more is asked for.
    co_await asio::post(stream_.executor(), asio::use_awaitable);
  }
  reading_ = false;
  Wake();
}

asio::awaitable<void> LinkConnection::WaitForWork() {
  if (std::exchange(work_waiting_, false)) co_return;
  const auto send_at = session_->SendAllowedAt();
  work_.expires_after(send_at ? *send_at - clock_->Mono() : Duration(1h));
  asio::error_code ignored;
  co_await work_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  work_waiting_ = false;
}

asio::awaitable<void> LinkConnection::WriteLoop() {
  const auto self = shared_from_this();
  while (!session_->closed()) {
    const Bytes out = session_->TakeOutput(clock_->Mono());
    if (out.empty()) {
      if (!session_->closed()) co_await WaitForWork();
      continue;
    }
    if (session_->closed()) LimitGoodbye();
    const absl::Status written = co_await stream_.Write(out);
    if (!written.ok()) Fail(written);
    ReportEnd();
    ArmDeadline();
  }
  ReportEnd();
  co_await SayGoodbye();
}

asio::awaitable<void> LinkConnection::SayGoodbye() {
  // One operation at a time may use the TLS stream: the reader has to be out first.
  stream_.CancelReads();
  while (reading_) {
    work_waiting_ = false;
    work_.expires_after(kGoodbye);
    asio::error_code ignored;
    co_await work_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (session_->end() != SessionEnd::kNetwork) co_await stream_.Shutdown();
  watchdog_.cancel();
  stream_.Close();
}

void LinkConnection::ArmDeadline() {
  if (owner_ == nullptr) return;
  const auto next = session_->NextDeadline();
  if (!next || (deadline_at_ && *deadline_at_ <= *next)) return;
  deadline_at_ = next;
  deadline_.expires_after(*next - clock_->Mono());
  deadline_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->OnDeadline();
  });
}

void LinkConnection::OnDeadline() {
  deadline_at_.reset();
  if (owner_ == nullptr) return;
  session_->OnTimer(clock_->Mono());
  ReportEnd();
  Wake();
}

}  // namespace p2p::client
