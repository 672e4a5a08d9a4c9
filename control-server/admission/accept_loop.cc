#include "control-server/admission/accept_loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace p2p::server {
namespace {

constexpr int kBacklog = 4096;  // The kernel cuts it to net.core.somaxconn.
// Between two looks at deadlines: a handshake costs gRPC about 0.6 ms.
constexpr int kAcceptsPerTurn = 16;
// When the kernel has no memory: level-triggered epoll would spin.
constexpr Duration kAcceptPause = 100ms;
// Of each connection, doubled by the kernel. Bounds what gRPC takes in at one go, before bytes are
// counted; messages are small, so it costs speed nowhere.
constexpr int kReceiveBuffer = 32 * 1024;

enum Source : uint64_t { kListener, kRegistry, kStop };

net::UniqueFd OpenSpare() { return net::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

absl::Status Watch(const net::UniqueFd& epoll, int fd, Source source) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = source}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return net::ErrnoError("epoll_ctl", errno);
  }
  return absl::OkStatus();
}

int SetFlag(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

// A host that is gone is found out by the kernel, whatever its client promised: asked after 20 s
// without a word, given up 10 s later. Accepted sockets inherit it. (tcp(7))
void FindDeadHosts(int listener) {
  SetFlag(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetFlag(listener, IPPROTO_TCP, TCP_KEEPIDLE, 20);
  SetFlag(listener, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  SetFlag(listener, IPPROTO_TCP, TCP_KEEPCNT, 2);
  SetFlag(listener, IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);  // With data on the way.
}

absl::StatusOr<net::UniqueFd> ListenOn(const net::SocketAddress& address) {
  const int family = address.ip.is_v4() ? AF_INET : AF_INET6;
  const std::string what = absl::StrCat("listening on ", address.ToString());
  net::UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return net::ErrnoError(what, errno);
  SetFlag(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  SetFlag(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);  // Inherited.
  FindDeadHosts(fd.get());
  if (family == AF_INET6) SetFlag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_storage storage{};
  const socklen_t size = address.ToSockaddr(storage);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return net::ErrnoError(what, errno);
  }
  return fd;
}

}  // namespace

absl::StatusOr<net::UniqueFd> Listen(const net::SocketAddress& address) {
  auto fd = ListenOn(address);
  if (fd.ok() || address.ip.is_v4() || !address.ip.IsUnspecified()) return fd;
  if (absl::IsAlreadyExists(fd.status()) || absl::IsPermissionDenied(fd.status())) return fd;
  return ListenOn({net::IpAddress(), address.port});
}

absl::StatusOr<net::SocketAddress> LocalAddressOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return net::ErrnoError("getsockname", errno);
  }
  const auto address = net::SocketAddress::FromSockaddr(storage);
  if (!address) return absl::InternalError("getsockname: not an IP address");
  return *address;
}

absl::StatusOr<std::unique_ptr<AcceptLoop>> AcceptLoop::Create(net::UniqueFd listener,
                                                               ConnectionRegistry& registry,
                                                               const Clock& clock,
                                                               HandOff hand_off) {
  net::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return net::ErrnoError("epoll_create1", errno);
  net::UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return net::ErrnoError("eventfd", errno);
  net::UniqueFd spare = OpenSpare();
  if (!spare.valid()) return net::ErrnoError("opening /dev/null", errno);
  P2P_RETURN_IF_ERROR(Watch(epoll, listener.get(), kListener));
  P2P_RETURN_IF_ERROR(Watch(epoll, registry.poll_fd(), kRegistry));
  P2P_RETURN_IF_ERROR(Watch(epoll, stop.get(), kStop));
  return absl::WrapUnique(new AcceptLoop(std::move(listener), registry, clock, std::move(hand_off),
                                         std::move(epoll), std::move(stop), std::move(spare)));
}

AcceptLoop::AcceptLoop(net::UniqueFd listener, ConnectionRegistry& registry, const Clock& clock,
                       HandOff hand_off, net::UniqueFd epoll, net::UniqueFd stop,
                       net::UniqueFd spare)
    : listener_(std::move(listener)),
      registry_(registry),
      clock_(clock),
      hand_off_(std::move(hand_off)),
      epoll_(std::move(epoll)),
      stop_(std::move(stop)),
      spare_(std::move(spare)) {}

AcceptLoop::~AcceptLoop() { Stop(); }

void AcceptLoop::Start() {
  P2P_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void AcceptLoop::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  P2P_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
  listener_.Reset();
}

void AcceptLoop::Run() {
  while (true) {
    MonoTime wake = registry_.Tick();
    if (paused_until_) wake = std::min(wake, *paused_until_);
    const Duration wait = std::clamp<Duration>(wake - clock_.Mono(), 0ms, 1s);
    std::array<epoll_event, 3> events;
    const int n =
        ::epoll_wait(epoll_.get(), events.data(), events.size(),
                     static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wait).count()));
    if (paused_until_ && clock_.Mono() >= *paused_until_) WatchListener(true);
    for (int i = 0; i < n; ++i) {
      switch (static_cast<Source>(events[static_cast<size_t>(i)].data.u64)) {
        case kListener:
          AcceptSome();
          break;
        case kRegistry:
          registry_.OnEvents();
          break;
        case kStop:
          return;
      }
    }
  }
}

void AcceptLoop::AcceptSome() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (!AcceptOne()) return;
  }
}

// False when there is nothing more to accept for now.
bool AcceptLoop::AcceptOne() {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  net::UniqueFd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&storage), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) {
    const auto peer = net::SocketAddress::FromSockaddr(storage);
    if (peer) Admit(std::move(fd), *peer);
    return true;
  }
  switch (errno) {
    case EAGAIN:
      return false;
    case EMFILE:
    case ENFILE:
      ShedOne();
      return true;
    case ENOBUFS:
    case ENOMEM:
      registry_.counters().Add(Admission::kAcceptFailed);
      WatchListener(false);
      return false;
    default:  // The connection died in the queue (ECONNABORTED and the network's own errors).
      registry_.counters().Add(Admission::kAcceptFailed);
      return true;
  }
}

void AcceptLoop::Admit(net::UniqueFd fd, const net::SocketAddress& peer) {
  const auto local = LocalAddressOf(fd.get());
  if (!local.ok()) return;
  SetFlag(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (!registry_.Admit(fd.get(), peer, *local)) return;
  hand_off_(listener_.get(), fd.Release());
}

// Out of descriptors: the queue would stay readable for ever and its clients would wait in silence.
void AcceptLoop::ShedOne() {
  registry_.counters().Add(Admission::kNoDescriptor);
  spare_.Reset();
  net::UniqueFd shed(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const bool any = shed.valid();
  shed.Reset();
  // Another thread may have taken the number: then pause, and take it back afterwards.
  spare_ = OpenSpare();
  if (!any || !spare_.valid()) WatchListener(false);
}

void AcceptLoop::WatchListener(bool watch) {
  epoll_event event{.events = watch ? uint32_t{EPOLLIN} : 0, .data = {.u64 = kListener}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
  if (watch) {
    paused_until_.reset();
    if (!spare_.valid()) spare_ = OpenSpare();
  } else {
    paused_until_ = clock_.Mono() + kAcceptPause;
  }
}

}  // namespace p2p::server
