#include "control-server/admission/socket_name.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "common/net/fd.h"

namespace p2p::server {

std::optional<uint64_t> CookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return std::nullopt;
  return cookie;
}

bool IsAlive(SocketName name) { return CookieOf(name.fd) == name.cookie; }

bool ShutdownByName(SocketName name) {
  if (!IsAlive(name)) return false;
  const net::UniqueFd duplicate(::fcntl(name.fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid() || CookieOf(duplicate.get()) != name.cookie) return false;
  ::shutdown(duplicate.get(), SHUT_RDWR);
  return true;
}

}  // namespace p2p::server
