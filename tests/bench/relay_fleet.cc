#include "tests/bench/relay_fleet.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/base/check.h"
#include "common/base/clock.h"

namespace p2p::bench {
namespace {

MonoTime Now() { return SystemClock().Mono(); }

}  // namespace

class RelayFleet::Member final : public client::ReceiverCore::Inbox {
 public:
  Member(RelayFleet& fleet, size_t number)
      : conn(fleet.random_.NewId<ConnId>()),
        psk(fleet.random_.Array<32>()),
        core(fleet.timing_, fleet.random_, *this),
        fleet_(fleet),
        number_(number) {}

  Known Find(BroadcastId id) const override {
    return has_.contains(id) ? Known::kDurable : Known::kNo;
  }
  std::vector<BroadcastId> Newest(size_t) const override { return {}; }
  void OnPayload(BroadcastId id, ByteView payload) override {
    if (!has_.insert(id).second) fleet_.doubled_.fetch_add(1, std::memory_order_relaxed);
    fleet_.on_payload_(number_, id, payload);
    core.Done(id, Now());
  }

  const ConnId conn;
  const Secret<32> psk;
  client::ReceiverCore core;
  net::UniqueFd socket;
  bool working = false;
  MonoTime starts{};  // When it registers for the first time.
  bool started = false;
  bool registered = false;  // Ever.

 private:
  RelayFleet& fleet_;
  size_t number_;
  absl::flat_hash_set<BroadcastId> has_;
};

RelayFleet::RelayFleet(size_t size, uint64_t seed, const config::Timing& timing,
                       OnPayload on_payload)
    : timing_(timing),
      random_(seed),
      on_payload_(std::move(on_payload)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (size_t i = 0; i < size; ++i) members_.push_back(std::make_unique<Member>(*this, i));
}

RelayFleet::~RelayFleet() = default;

ConnId RelayFleet::conn(size_t i) const { return members_[i]->conn; }
Secret<32> RelayFleet::psk(size_t i) const { return members_[i]->psk.Clone(); }

std::vector<Duration> RelayFleet::registered() const {
  const MutexLock lock(mu_);
  return registered_;
}

std::vector<net::SocketAddress> RelayFleet::addresses() const {
  std::vector<net::SocketAddress> out;
  for (const auto& member : members_) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    P2P_CHECK(::getsockname(member->socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) ==
              0);
    out.push_back(*net::SocketAddress::FromSockaddr(storage));
  }
  return out;
}

absl::Status RelayFleet::Open(const net::SocketAddress& relay, Duration window) {
  relay_ = relay;
  const MonoTime now = Now();
  for (size_t i = 0; i < members_.size(); ++i) {
    P2P_RETURN_IF_ERROR(OpenSocket(i));
    members_[i]->starts = now + window * static_cast<int64_t>(i) / static_cast<int64_t>(size());
    timers_.Set(static_cast<relay::TimerWheel::Slot>(i), members_[i]->starts);
  }
  return absl::OkStatus();
}

absl::Status RelayFleet::OpenSocket(size_t i) {
  const int family = relay_.ip.is_v4() ? AF_INET : AF_INET6;
  net::UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return net::ErrnoError("socket", errno);
  sockaddr_storage to;
  const socklen_t size = relay_.ToSockaddr(to);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0) {
    return net::ErrnoError("connect", errno);
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    return net::ErrnoError("epoll_ctl", errno);
  }
  members_[i]->socket = std::move(fd);  // The one before leaves the set with its number.
  return absl::OkStatus();
}

void RelayFleet::Run(const std::atomic<bool>& stop) {
  constexpr int kLookMs = 20;
  std::array<epoll_event, 512> events;
  while (!stop) {
    int wait = kLookMs;
    if (const auto next = timers_.next()) {
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(*next - Now()).count();
      wait = static_cast<int>(std::clamp<int64_t>(ms, 0, kLookMs));
    }
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), wait);
    for (int i = 0; i < n; ++i) Serve(events[static_cast<size_t>(i)].data.u64);
    const MonoTime now = Now();
    while (const auto due = timers_.Due(now)) Pump(*due);
  }
}

void RelayFleet::Serve(size_t i) {
  std::array<uint8_t, 2048> bytes;
  const ssize_t n = ::recv(members_[i]->socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0) return;  // Refused for now: the receiver tries again by itself.
  datagrams_.fetch_add(1, std::memory_order_relaxed);
  members_[i]->core.OnDatagram(ByteView(bytes).first(static_cast<size_t>(n)), Now());
  Pump(i);
}

void RelayFleet::Pump(size_t i) {
  Member& member = *members_[i];
  const MonoTime now = Now();
  if (!member.started && now >= member.starts) {
    member.started = true;
    member.core.Start(member.conn, member.psk.Clone(), now);
  }
  client::Datagrams out;
  member.core.Poll(now, out);
  if (member.core.TakeSocketWish()) P2P_CHECK(OpenSocket(i).ok());
  for (const Bytes& datagram : out) {
    [[maybe_unused]] const auto sent =
        ::send(member.socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
  }
  const bool working = member.core.state() == client::UdpState::kWorking;
  if (working && !std::exchange(member.registered, true)) {
    const MutexLock lock(mu_);
    registered_.push_back(now - member.starts);
  }
  if (working != std::exchange(member.working, working)) {
    working_.fetch_add(working ? 1 : size_t{0} - 1, std::memory_order_relaxed);
  }
  const auto next = member.started ? member.core.NextDeadline() : member.starts;
  timers_.Set(static_cast<relay::TimerWheel::Slot>(i), next);
}

}  // namespace p2p::bench
