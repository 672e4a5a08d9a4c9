#include "control-server/admission/connection_registry.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "control-server/admission/socket_name.h"
#include "control-server/admission/tcp_info.h"

namespace p2p::server {
namespace {

// 20 looks of 50 ms: gRPC closes within milliseconds of an event, or keeps the socket for a reason.
constexpr int kLooks = 20;
// A flood of refused connections must not cost a sweep (0.5 us a record) each.
constexpr Duration kSweepPause = 10ms;
// Of the sweeps, one asks for every cookie; the others find numbers that are closed, not those that
// something else of this process has got meanwhile.
constexpr uint32_t kThoroughEvery = 5;
// Between two looks at the listener.
constexpr int kDropsPerTurn = 64;
// Of those who are logged in and calm; the others are measured each time. 0.1 ms a turn.
constexpr size_t kMeasuredPerTurn = 100;
constexpr uint32_t kEnds = EPOLLRDHUP | EPOLLHUP | EPOLLET;

}  // namespace

absl::StatusOr<std::unique_ptr<ConnectionRegistry>> ConnectionRegistry::Create(
    ConnectionLimits limits, ConnectionDeadlines deadlines, RegistryTiming timing,
    const Clock& clock) {
  net::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return net::ErrnoError("epoll_create1", errno);
  net::UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return net::ErrnoError("eventfd", errno);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return net::ErrnoError("epoll_ctl", errno);
  }
  return absl::WrapUnique(
      new ConnectionRegistry(limits, deadlines, timing, clock, std::move(epoll), std::move(wake)));
}

ConnectionRegistry::ConnectionRegistry(ConnectionLimits limits, ConnectionDeadlines deadlines,
                                       RegistryTiming timing, const Clock& clock,
                                       net::UniqueFd epoll, net::UniqueFd wake)
    : timing_(timing),
      clock_(clock),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      random_(std::random_device{}()),
      next_measure_(clock.Mono() + timing.measure),
      shutdown_(ShutdownByName),
      table_(limits, deadlines),
      next_sweep_(clock.Mono() + timing.sweep),
      last_sweep_(clock.Mono() - kSweepPause) {}

void ConnectionRegistry::MarkHello(const net::SocketAddress& peer) {
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  table_.MarkHello(peer, now);
}

void ConnectionRegistry::MarkAuthenticated(const net::SocketAddress& peer) {
  const MutexLock lock(mu_);
  table_.MarkAuthenticated(peer);
}

void ConnectionRegistry::MarkRelay(const net::SocketAddress& peer) {
  const MutexLock lock(mu_);
  table_.MarkRelay(peer);
}

void ConnectionRegistry::ExpectEvery(const net::SocketAddress& peer, uint32_t ms) {
  if (ms < kMinPromiseMs || ms > kMaxPromiseMs) return;
  const MonoTime now = clock_.Mono();
  {
    const MutexLock lock(mu_);
    if (!table_.ExpectWithin(peer, std::chrono::milliseconds(ms) + timing_.late, now)) return;
  }
  Wake();
}

void ConnectionRegistry::Close(const net::SocketAddress& peer, Duration delay) {
  const MonoTime when = clock_.Mono() + delay;
  {
    const MutexLock lock(mu_);
    if (!table_.CloseAt(peer, when)) return;
  }
  Wake();
}

std::optional<net::SocketAddress> ConnectionRegistry::LocalAddress(
    const net::SocketAddress& peer) const {
  const MutexLock lock(mu_);
  return table_.LocalOf(peer);
}

std::optional<std::string> ConnectionRegistry::Refusal(const net::SocketAddress& peer) const {
  const MutexLock lock(mu_);
  if (table_.PlaceOf(peer) != Place::kFull) return std::nullopt;
  return absl::StrCat("full: ", table_.limits().served, " of ", table_.limits().served);
}

void ConnectionRegistry::PauseDeadline(const net::SocketAddress& peer) {
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  table_.Pause(peer, now);
}

void ConnectionRegistry::ResumeDeadline(const net::SocketAddress& peer) {
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  table_.Resume(peer, now);
}

void ConnectionRegistry::Credit(const net::SocketAddress& peer, uint64_t bytes) {
  const MutexLock lock(mu_);
  table_.Credit(peer, bytes);
}

std::optional<Place> ConnectionRegistry::TakePlace(SocketName name, const net::SocketAddress& peer,
                                                   const net::SocketAddress& local,
                                                   Admission& refusal) {
  const MonoTime now = clock_.Mono();
  bool sweep = false;
  {
    const MutexLock lock(mu_);
    sweep = table_.FreePlaceFor(peer.ip) != Place::kServed && now >= last_sweep_ + kSweepPause;
  }
  if (sweep) Sweep();
  const MutexLock lock(mu_);
  const std::optional<Place> place = table_.FreePlaceFor(peer.ip);
  if (place) {
    table_.Add(name, peer, local, *place, now);
  } else {
    refusal = table_.SourceIsFull(peer.ip) ? Admission::kSourceFull : Admission::kRefused;
  }
  return place;
}

std::optional<Place> ConnectionRegistry::Admit(int fd, const net::SocketAddress& peer,
                                               const net::SocketAddress& local) {
  const auto cookie = CookieOf(fd);
  P2P_CHECK(cookie.has_value());  // The caller owns the socket.
  Admission refusal = Admission::kRefused;
  const auto place = TakePlace({fd, *cookie}, peer, local, refusal);
  if (!place) {
    counters_.Add(refusal);
    return std::nullopt;
  }
  counters_.Add(*place == Place::kServed ? Admission::kServed : Admission::kFull);
  // The set holds the number; the kernel drops it when gRPC closes the socket. A failure costs only
  // promptness: the sweep finds the end anyway, and bytes are counted now and then.
  epoll_event event{.events = kEnds | EPOLLIN, .data = {.u64 = *cookie}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  return place;
}

void ConnectionRegistry::OnEvents() {
  std::array<epoll_event, 256> events;
  const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  if (n <= 0) return;
  const MonoTime now = clock_.Mono();
  std::vector<SocketName> sent;
  {
    const MutexLock lock(mu_);
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.u64 == 0) {
        uint64_t count = 0;
        [[maybe_unused]] const auto read = ::read(wake_.get(), &count, sizeof count);
        continue;
      }
      const auto name = table_.Find(event.data.u64);
      if (!name) continue;
      if ((event.events & (EPOLLRDHUP | EPOLLHUP)) != 0) SuspectLocked(*name, now);
      if ((event.events & EPOLLIN) == 0) continue;
      if (table_.IsUnproven(name->cookie)) {
        sent.push_back(*name);
      } else {
        IgnoreInput(*name);
      }
    }
  }
  Measure(sent, now);
}

void ConnectionRegistry::SuspectLocked(SocketName name, MonoTime now) {
  if (suspects_.empty()) next_look_ = now + timing_.suspect;
  suspects_.push_back({name, kLooks});
}

// Only Admit adds to the set, on this thread, and a number it adds again takes the older record out
// of the table: so under this number the set holds this socket, or nothing any more.
void ConnectionRegistry::IgnoreInput(SocketName name) {
  epoll_event event{.events = kEnds, .data = {.u64 = name.cookie}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, name.fd, &event);
}

MonoTime ConnectionRegistry::Tick() {
  const MonoTime now = clock_.Mono();
  EndDue(now);
  EndSilent(now);
  MakeRoom(now);
  if (now >= next_measure_) MeasureSome(now);
  bool sweep = false;
  {
    const MutexLock lock(mu_);
    sweep = now >= next_sweep_;
  }
  if (sweep && ++sweeps_ % kThoroughEvery == 0) {
    Sweep();
  } else if (sweep) {
    RemoveClosedNumbers();
  }
  const MutexLock lock(mu_);
  if (!suspects_.empty() && now >= next_look_) LookAtSuspectsLocked();
  MonoTime next = next_sweep_;
  if (!suspects_.empty()) next = std::min(next, next_look_);
  if (const auto due_next = table_.NextDue()) next = std::min(next, *due_next);
  if (table_.served() + table_.full() > 0) next = std::min(next, next_measure_);
  return next;
}

void ConnectionRegistry::EndDue(MonoTime now) {
  std::vector<SocketName> due;
  {
    const MutexLock lock(mu_);
    due = table_.TakeDue(now);
  }
  for (const SocketName& name : due) {
    counters_.Add(shutdown_(name) ? Admission::kClosed : Admission::kCloseTooLate);
  }
}

void ConnectionRegistry::EndSilent(MonoTime now) {
  std::vector<SocketName> quiet;
  {
    const MutexLock lock(mu_);
    quiet = table_.TakeQuiet(now);
  }
  for (const SocketName& name : quiet) {
    const auto silent_for = SilentFor(name);
    if (!silent_for) continue;  // Gone: the sweep removes it.
    {
      const MutexLock lock(mu_);
      if (!table_.Heard(name.cookie, *silent_for, now)) continue;
    }
    counters_.Add(shutdown_(name) ? Admission::kFellSilent : Admission::kCloseTooLate);
  }
}

void ConnectionRegistry::MakeRoom(MonoTime now) {
  for (int i = 0; i < kDropsPerTurn; ++i) {
    std::optional<SocketName> name;
    {
      const MutexLock lock(mu_);
      name = table_.TakeExcess(now, random_);
    }
    if (!name) return;
    counters_.Add(shutdown_(*name) ? Admission::kMadeRoom : Admission::kCloseTooLate);
  }
}

void ConnectionRegistry::MeasureSome(MonoTime now) {
  next_measure_ = now + timing_.measure;
  std::vector<SocketName> names;
  {
    const MutexLock lock(mu_);
    names = table_.ToMeasure(kMeasuredPerTurn);
  }
  Measure(names, now);
}

// The lock is not held while the kernel is asked: that takes about 1 us each.
void ConnectionRegistry::Measure(const std::vector<SocketName>& names, MonoTime now) {
  if (names.empty()) return;
  std::vector<std::pair<SocketName, uint64_t>> received;
  received.reserve(names.size());
  for (const SocketName& name : names) {
    if (const auto bytes = BytesReceived(name)) received.emplace_back(name, *bytes);
  }
  std::vector<SocketName> over;
  {
    const MutexLock lock(mu_);
    for (const auto& [name, bytes] : received) {
      if (table_.Measured(name.cookie, bytes, now)) over.push_back(name);
    }
  }
  for (const SocketName& name : over) {
    counters_.Add(ResetByName(name) ? Admission::kTooManyBytes : Admission::kCloseTooLate);
  }
}

// The kernel is asked without the lock, which every call of every client takes: 10,000 sockets take
// 5 ms. A cookie names one socket for ever, so who is gone stays gone.
void ConnectionRegistry::Sweep() {
  std::vector<SocketName> names = AllNames();
  std::erase_if(names, IsAlive);
  Remove(names);
}

void ConnectionRegistry::RemoveClosedNumbers() { Remove(WithClosedNumbers(AllNames())); }

std::vector<SocketName> ConnectionRegistry::AllNames() const {
  const MutexLock lock(mu_);
  return table_.All();
}

ConnectionRegistry::Figures ConnectionRegistry::figures() const {
  const MutexLock lock(mu_);
  return {.served = table_.served(),
          .full = table_.full(),
          .relays = table_.relays(),
          .authenticated = table_.authenticated(),
          .unauthenticated = table_.unauthenticated()};
}

void ConnectionRegistry::Remove(const std::vector<SocketName>& gone) {
  const MutexLock lock(mu_);
  for (const SocketName& name : gone) {
    if (!table_.Find(name.cookie)) continue;  // Somebody else has seen it meanwhile.
    table_.Remove(name.cookie);
    counters_.Add(Admission::kGone);
  }
  last_sweep_ = clock_.Mono();
  next_sweep_ = last_sweep_ + timing_.sweep;
}

void ConnectionRegistry::LookAtSuspectsLocked() {
  std::vector<Suspect> unsettled;
  for (Suspect& suspect : suspects_) {
    if (IsAlive(suspect.name)) {
      if (--suspect.looks_left > 0) unsettled.push_back(suspect);
      continue;
    }
    if (table_.Find(suspect.name.cookie)) counters_.Add(Admission::kGone);
    table_.Remove(suspect.name.cookie);
  }
  suspects_ = std::move(unsettled);
  next_look_ = clock_.Mono() + timing_.suspect;
}

void ConnectionRegistry::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace p2p::server
