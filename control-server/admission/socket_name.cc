#include "control-server/admission/socket_name.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "common/net/fd.h"

namespace p2p::server {
namespace {

bool End(SocketName name, bool reset) {
  if (!IsAlive(name)) return false;
  const net::UniqueFd duplicate(::fcntl(name.fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid() || CookieOf(duplicate.get()) != name.cookie) return false;
  if (reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(duplicate.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  ::shutdown(duplicate.get(), SHUT_RDWR);
  return true;
}

}  // namespace

std::optional<uint64_t> CookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return std::nullopt;
  return cookie;
}

bool IsAlive(SocketName name) { return CookieOf(name.fd) == name.cookie; }

std::vector<SocketName> WithClosedNumbers(const std::vector<SocketName>& names) {
  std::array<pollfd, 1024> asked;
  std::vector<SocketName> closed;
  for (size_t begin = 0; begin < names.size(); begin += asked.size()) {
    const size_t count = std::min(asked.size(), names.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      asked[i] = {.fd = names[begin + i].fd, .events = 0, .revents = 0};
    }
    if (::poll(asked.data(), count, 0) <= 0) continue;
    for (size_t i = 0; i < count; ++i) {
      if ((asked[i].revents & POLLNVAL) != 0) closed.push_back(names[begin + i]);
    }
  }
  return closed;
}

bool ShutdownByName(SocketName name) { return End(name, false); }

bool ResetByName(SocketName name) { return End(name, true); }

}  // namespace p2p::server
