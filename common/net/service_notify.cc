#include "common/net/service_notify.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/base/log.h"
#include "common/net/fd.h"

namespace p2p::net {
namespace {

absl::Status Send(absl::string_view target, absl::string_view state) {
  const auto address = ParseNotifySocket(target);
  if (!address.ok()) return address.status();
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError("socket", errno);
  const auto* name = reinterpret_cast<const sockaddr*>(&address->socket);
  if (::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, name, address->size) < 0) {
    return ErrnoError("sendto", errno);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NotifyAddress> ParseNotifySocket(absl::string_view text) {
  NotifyAddress out{};
  out.socket.sun_family = AF_UNIX;
  if (text.size() < 2 || (text[0] != '/' && text[0] != '@')) {
    return absl::InvalidArgumentError("NOTIFY_SOCKET is neither a path nor @name");
  }
  // A path keeps its terminating zero; a name of the abstract namespace has none.
  const bool abstract = text[0] == '@';
  if (text.size() + (abstract ? 0 : 1) > sizeof out.socket.sun_path) {
    return absl::InvalidArgumentError("NOTIFY_SOCKET is too long");
  }
  std::memcpy(out.socket.sun_path, text.data(), text.size());
  if (abstract) out.socket.sun_path[0] = '\0';
  out.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + (abstract ? 0 : 1));
  return out;
}

void NotifyServiceManager(absl::string_view state) {
  const char* target = std::getenv("NOTIFY_SOCKET");
  if (target == nullptr || *target == '\0') return;
  const absl::Status sent = Send(target, state);
  static bool told = false;  // Called from the main thread.
  if (!sent.ok() && !std::exchange(told, true)) {
    LogWarning("service_manager_not_told", {{"error", sent.message()}});
  }
}

}  // namespace p2p::net
