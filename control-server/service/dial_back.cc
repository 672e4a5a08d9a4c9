#include "control-server/service/dial_back.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/net/fd.h"

namespace p2p::server {
namespace {

// How long after `stopped` a dial may still go on.
constexpr int kLookMs = 100;

// One connection; every step of it waits until `deadline` at most.
class Dial {
 public:
  Dial(int fd, const Clock& clock, MonoTime deadline, const std::atomic<bool>& stopped)
      : fd_(fd), clock_(clock), deadline_(deadline), stopped_(stopped) {}

  // 0, or an errno.
  int Connect(const net::SocketAddress& to) {
    sockaddr_storage address{};
    const socklen_t size = to.ToSockaddr(address);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    if (!Await(POLLOUT)) return ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }
  // A fresh connection takes this much without waiting.
  bool Send(ByteView bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  bool Receive(std::span<uint8_t> out) {
    while (!out.empty()) {
      if (!Await(POLLIN)) return false;
      const ssize_t got = ::recv(fd_, out.data(), out.size(), 0);
      if (got <= 0) return false;
      out = out.subspan(static_cast<size_t>(got));
    }
    return true;
  }

 private:
  bool Await(short what) {
    while (!stopped_ && clock_.Mono() < deadline_) {
      pollfd wait{.fd = fd_, .events = what, .revents = 0};
      if (::poll(&wait, 1, kLookMs) > 0) return true;
    }
    return false;
  }

  const int fd_;
  const Clock& clock_;
  const MonoTime deadline_;
  const std::atomic<bool>& stopped_;
};

}  // namespace

Inbound DialBack(const net::SocketAddress& to, const InboundOrder& order, const Clock& clock,
                 const std::atomic<bool>& stopped) {
  sockaddr_storage address{};
  to.ToSockaddr(address);
  const net::UniqueFd fd(
      ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Inbound::kNoAnswer;
  Dial dial(fd.get(), clock, clock.Mono() + order.timeout, stopped);
  if (const int error = dial.Connect(to); error != 0) {
    return error == ECONNREFUSED ? Inbound::kRefused : Inbound::kNoAnswer;
  }
  const crypto::InboundProbe probe = crypto::MakeInboundProbe(order.challenge, order.random);
  crypto::Mac128 answer{};
  const bool answered = dial.Send(probe) && dial.Receive(answer);
  return answered &&
                 crypto::ConstantTimeEqual(answer, crypto::InboundAnswer(order.challenge, probe))
             ? Inbound::kReached
             : Inbound::kSomebodyElse;
}

}  // namespace p2p::server
