#include "tests/tools/udp_proxy.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/memory/memory.h"
#include "common/base/check.h"
#include "common/base/clock.h"

namespace p2p::sim {
namespace {

constexpr size_t kFront = ~size_t{0};
constexpr size_t kWake = kFront - 1;
constexpr size_t kMaxDatagram = 2048;
constexpr int kBuffer = 8 << 20;  // The proxy itself is to lose nothing.

MonoTime Now() { return SystemClock().Mono(); }

absl::StatusOr<net::UniqueFd> OpenBound(const net::SocketAddress& at) {
  const int family = at.ip.is_v4() ? AF_INET : AF_INET6;
  net::UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return net::ErrnoError("socket", errno);
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE, SO_RCVBUF, SO_SNDBUF}) {
    const bool done = ::setsockopt(fd.get(), SOL_SOCKET, option, &kBuffer, sizeof kBuffer) == 0;
    if (done && option == SO_SNDBUFFORCE) break;
  }
  sockaddr_storage address;
  const socklen_t size = at.ToSockaddr(address);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return net::ErrnoError("bind", errno);
  }
  return fd;
}

void Watch(int epoll, int fd, size_t key) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = key}};
  P2P_CHECK(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<UdpProxy>> UdpProxy::Start(const net::SocketAddress& listen,
                                                          const net::SocketAddress& target,
                                                          const Impairment& impairment,
                                                          uint64_t seed) {
  P2P_ASSIGN_OR_RETURN(net::UniqueFd front, OpenBound(listen));
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(front.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return net::ErrnoError("getsockname", errno);
  }
  auto proxy = absl::WrapUnique(new UdpProxy(
      std::move(front), *net::SocketAddress::FromSockaddr(storage), target, impairment, seed));
  proxy->thread_ = std::thread([p = proxy.get()] { p->Run(); });
  return proxy;
}

UdpProxy::UdpProxy(net::UniqueFd front, net::SocketAddress address, net::SocketAddress target,
                   const Impairment& impairment, uint64_t seed)
    : front_(std::move(front)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      address_(address),
      target_(target),
      outside_ip_(address.ip),
      random_(seed),
      impairment_{impairment, impairment} {
  Watch(epoll_.get(), front_.get(), kFront);
  Watch(epoll_.get(), wake_.get(), kWake);
}

UdpProxy::~UdpProxy() {
  stop_ = true;
  const uint64_t one = 1;
  P2P_CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
}

void UdpProxy::Set(const Impairment& up, const Impairment& down) {
  const MutexLock lock(mu_);
  wanted_ = Ways{up, down};
}

void UdpProxy::Rebind(const net::IpAddress& ip) {
  const MutexLock lock(mu_);
  rebind_ = ip;
}

void UdpProxy::Run() {
  std::array<epoll_event, 64> events;
  while (!stop_) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), TimeoutMs());
    TakeWishes();
    for (int i = 0; i < n; ++i) {
      const size_t key = events[static_cast<size_t>(i)].data.u64;
      if (key == kFront) ReceiveFromClients();
      if (key < clients_.size()) ReceiveFor(key);
    }
    SendDue();
  }
}

void UdpProxy::TakeWishes() {
  const MutexLock lock(mu_);
  if (wanted_) impairment_ = *std::exchange(wanted_, std::nullopt);
  if (!rebind_) return;
  outside_ip_ = *std::exchange(rebind_, std::nullopt);
  for (size_t i = 0; i < clients_.size(); ++i) OpenOutside(i);
}

void UdpProxy::ReceiveFromClients() {
  std::array<uint8_t, kMaxDatagram> bytes;
  for (;;) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t n = ::recvfrom(front_.get(), bytes.data(), bytes.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) return;
    const auto inside = net::SocketAddress::FromSockaddr(from);
    if (inside) Pass(ClientAt(*inside), true, ByteView(bytes).first(static_cast<size_t>(n)));
  }
}

void UdpProxy::ReceiveFor(size_t client) {
  std::array<uint8_t, kMaxDatagram> bytes;
  for (;;) {
    const ssize_t n = ::recv(clients_[client].outside.get(), bytes.data(), bytes.size(), 0);
    if (n < 0) return;
    Pass(client, false, ByteView(bytes).first(static_cast<size_t>(n)));
  }
}

void UdpProxy::Pass(size_t client, bool up, ByteView datagram) {
  const MonoTime now = Now();
  ImpairedLink& link = up ? clients_[client].up : clients_[client].down;
  Traffic& traffic = up ? up_ : down_;
  ++traffic.came;
  for (auto& copy : link.Pass(up ? impairment_.up : impairment_.down, datagram, now, random_)) {
    ++traffic.went;
    if (copy.delay == Duration(0)) {
      Send(client, up, copy.bytes);
    } else {
      delayed_.emplace(now + copy.delay, Delayed{client, up, std::move(copy.bytes)});
    }
  }
}

void UdpProxy::SendDue() {
  const MonoTime now = Now();
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const Delayed& next = delayed_.begin()->second;
    Send(next.client, next.up, next.bytes);
    delayed_.erase(delayed_.begin());
  }
}

// What the kernel refuses is lost, as on any network.
void UdpProxy::Send(size_t client, bool up, ByteView bytes) {
  const Client& c = clients_[client];
  if (up) {
    [[maybe_unused]] const auto sent = ::send(c.outside.get(), bytes.data(), bytes.size(), 0);
    return;
  }
  sockaddr_storage to;
  const socklen_t size = c.inside.ToSockaddr(to);
  [[maybe_unused]] const auto sent = ::sendto(front_.get(), bytes.data(), bytes.size(), 0,
                                              reinterpret_cast<const sockaddr*>(&to), size);
}

size_t UdpProxy::ClientAt(const net::SocketAddress& inside) {
  const auto [it, inserted] = by_inside_.try_emplace(inside, clients_.size());
  if (inserted) {
    clients_.emplace_back().inside = inside;
    OpenOutside(it->second);
  }
  return it->second;
}

void UdpProxy::OpenOutside(size_t client) {
  auto fd = OpenBound({outside_ip_, 0});
  P2P_CHECK(fd.ok());
  sockaddr_storage to;
  const socklen_t size = target_.ToSockaddr(to);
  P2P_CHECK(::connect(fd->get(), reinterpret_cast<const sockaddr*>(&to), size) == 0);
  Watch(epoll_.get(), fd->get(), client);
  clients_[client].outside = *std::move(fd);
}

int UdpProxy::TimeoutMs() const {
  constexpr int kLook = 50;  // At wishes.
  if (delayed_.empty()) return kLook;
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(delayed_.begin()->first - Now()).count();
  return static_cast<int>(std::clamp<int64_t>(wait, 0, kLook));
}

}  // namespace p2p::sim
