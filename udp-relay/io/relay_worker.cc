#include "udp-relay/io/relay_worker.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace p2p::relay {
namespace {

// Receives between two send batches: enough for the acknowledgements of the last ones.
constexpr int kReceivesPerTurn = 8;
// As many as fit a send batch: what was just queued leaves while its session is at hand.
constexpr size_t kOrdersPerTurn = RelaySocket::kSendBatch;
constexpr Duration kLongestWait = 40ms;  // Of acknowledgements in the socket's buffer.
constexpr int kRetryMs = 1;
constexpr int kIdleMs = 60'000;

absl::Status Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return net::ErrnoError("relay epoll", errno);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RelayWorker>> RelayWorker::Start(net::UniqueFd socket,
                                                                const RelayOptions& options,
                                                                const Clock& clock, Random& random,
                                                                RelayEvents& events) {
  std::unique_ptr<RelayWorker> worker(new RelayWorker(options, clock, random, events));
  P2P_RETURN_IF_ERROR(worker->Init(std::move(socket)));
  worker->thread_ = std::thread([w = worker.get()] { w->Run(); });
  return worker;
}

RelayWorker::RelayWorker(const RelayOptions& options, const Clock& clock, Random& random,
                         RelayEvents& events)
    : clock_(clock),
      events_(events),
      engine_(options, random, events, counters_, memory_),
      replies_(RelaySocket::kReceiveBatch),
      outbox_(RelaySocket::kSendBatch) {}

absl::Status RelayWorker::Init(net::UniqueFd socket) {
  P2P_ASSIGN_OR_RETURN(socket_, RelaySocket::Adopt(std::move(socket), io_counters_));
  P2P_ASSIGN_OR_RETURN(orders_, OrderQueue::Create());
  epoll_ = net::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return net::ErrnoError("relay epoll", errno);
  P2P_RETURN_IF_ERROR(Watch(epoll_.get(), socket_->fd()));
  return Watch(epoll_.get(), orders_->wake_fd());
}

RelayWorker::~RelayWorker() {
  if (!thread_.joinable()) return;
  orders_->Stop();
  thread_.join();
}

void RelayWorker::AddSession(ConnId session, Secret<32> psk) {
  orders_->Push(AddSessionOrder{session, std::move(psk)});
}
void RelayWorker::RemoveSession(ConnId session) { orders_->Push(RemoveSessionOrder{session}); }
void RelayWorker::AddBroadcast(SignedBroadcastPtr broadcast, MonoTime expires) {
  orders_->Push(AddBroadcastOrder{std::move(broadcast), expires});
}
void RelayWorker::RemoveBroadcast(BroadcastId broadcast) {
  orders_->Push(RemoveBroadcastOrder{broadcast});
}
void RelayWorker::Queue(ConnId session, BroadcastId broadcast) {
  orders_->Push(QueueOrder{session, broadcast});
}
void RelayWorker::QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) {
  orders_->Push(QueueForAllOrder{std::move(sessions), broadcast});
}

void RelayWorker::Clear() { orders_->Push(ClearOrder{}); }
void RelayWorker::Drain(absl::AnyInvocable<void()> idle) {
  orders_->Push(DrainOrder{std::move(idle)});
}

void RelayWorker::Run() {
  (void)pthread_setname_np(pthread_self(), "relay");
  std::array<epoll_event, 2> events;
  for (;;) {
    const int n = epoll_wait(epoll_.get(), events.data(), events.size(), TimeoutMs());
    P2P_CHECK(n >= 0 || errno == EINTR);
    blocked_ = no_buffers_ = false;  // Try again, whatever woke us.
    if (!CarryOutOrders()) return;
    if (MayReceive()) ReceiveSome();
    SendSome();
    if (when_idle_ && outbox_.empty() && engine_.Idle()) std::exchange(when_idle_, nullptr)();
    Gather();
  }
}

bool RelayWorker::CarryOutOrders() {
  if (next_order_ == batch_.orders.size()) {
    batch_ = orders_->TakeAll();
    next_order_ = 0;
    if (batch_.overflowed) {
      io_counters_.Add(IoCount::kOrderOverflow);
      engine_.Clear();
      events_.OnRelayRestarted();
    }
  }
  if (batch_.stopped) return false;
  for (size_t most = kOrdersPerTurn; most > 0 && next_order_ < batch_.orders.size();) {
    if (CarryOut(batch_.orders[next_order_], most)) ++next_order_;
  }
  sessions_.store(engine_.sessions(), std::memory_order_relaxed);
  return true;
}

bool RelayWorker::CarryOut(Order& order, size_t& most) {
  if (auto* all = std::get_if<QueueForAllOrder>(&order)) {
    const auto some = std::span(all->sessions).subspan(all->done);
    const size_t n = std::min(most, some.size());
    engine_.Queue(some.first(n), all->broadcast);
    all->done += n;
    most -= n;
    return all->done == all->sessions.size();
  }
  --most;
  std::visit(Overloaded{
                 [this](AddSessionOrder& o) { engine_.AddSession(o.session, std::move(o.psk)); },
                 [this](RemoveSessionOrder& o) { engine_.RemoveSession(o.session); },
                 [this](AddBroadcastOrder& o) { engine_.AddBroadcast(*o.broadcast, o.expires); },
                 [this](RemoveBroadcastOrder& o) { engine_.RemoveBroadcast(o.broadcast); },
                 [this](QueueOrder& o) {
                   engine_.Queue({&o.session, 1}, o.broadcast);
                 },
                 [](QueueForAllOrder&) {},
                 [this](ClearOrder&) { engine_.Clear(); },
                 [this](DrainOrder& o) { when_idle_ = std::move(o.idle); },
             },
             order);
  return true;
}

// What is to be sent goes before acknowledgements, for a while and as long as none get lost.
bool RelayWorker::MayReceive() const {
  return TimeoutMs() > 0 || clock_.Mono() >= received_ + kLongestWait ||
         socket_->ReceiveBufferFills();
}

void RelayWorker::ReceiveSome() {
  const MonoTime now = received_ = clock_.Mono();
  for (int i = 0; i < kReceivesPerTurn; ++i) {
    const size_t n = socket_->Receive([&](ByteView datagram) { engine_.Expect(datagram); },
                                      [&](ByteView datagram, const Path& path) {
                                        engine_.OnDatagram(datagram, path, now, replies_);
                                      });
    // A blocked socket drops replies, counted by the engine: clients ask again.
    if (!blocked_ && socket_->Send(replies_) != RelaySocket::Sent::kAll) blocked_ = true;
    if (n < RelaySocket::kReceiveBatch) return;
  }
}

void RelayWorker::SendSome() {
  if (!blocked_) {
    if (outbox_.empty()) engine_.Poll(clock_.Mono(), outbox_);
    const auto sent = socket_->Send(outbox_);
    blocked_ = sent == RelaySocket::Sent::kBlocked;
    no_buffers_ = sent == RelaySocket::Sent::kNoBuffers;
  }
  WatchWritable(blocked_);
}

void RelayWorker::WatchWritable(bool on) {
  if (on == watching_) return;
  watching_ = on;
  epoll_event event{};
  event.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.fd = socket_->fd();
  P2P_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket_->fd(), &event) == 0);
}

// While many acknowledgements are on their way, a wake-up for each costs more than its work.
void RelayWorker::Gather() {
  constexpr timespec kGather{.tv_sec = 0, .tv_nsec = 1'000'000};
  if (engine_.ExpectsMany() && TimeoutMs() > 1) {
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &kGather, nullptr);
  }
}

int RelayWorker::TimeoutMs() const {
  if (no_buffers_) return kRetryMs;
  if (blocked_) return kIdleMs;  // EPOLLOUT wakes us.
  if (!outbox_.empty() || next_order_ < batch_.orders.size()) return 0;
  const auto next = engine_.NextDeadline();
  if (!next) return kIdleMs;
  const Duration wait = *next - clock_.Mono();
  if (wait <= Duration(0)) return 0;
  // Rounded up: waking early would find nothing to do.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::min<int64_t>(ms, kIdleMs));
}

}  // namespace p2p::relay
