#include "control-server/admission/tcp_info.h"

// glibc's own <netinet/tcp.h> has no tcpi_bytes_received, and the two do not go together.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

#include "control-server/admission/socket_name.h"

namespace p2p::server {

namespace {

std::optional<tcp_info> Ask(SocketName name) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(name.fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  constexpr size_t kNeeded =
      offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);
  // The cookie afterwards: if it is the same now, the answer was of that socket.
  if (size < kNeeded || !IsAlive(name)) return std::nullopt;
  return info;
}

}  // namespace

std::optional<uint64_t> BytesReceived(SocketName name) {
  const auto info = Ask(name);
  if (!info) return std::nullopt;
  return info->tcpi_bytes_received;
}

std::optional<Duration> SilentFor(SocketName name) {
  const auto info = Ask(name);
  if (!info) return std::nullopt;
  return std::chrono::milliseconds(info->tcpi_last_data_recv);
}

}  // namespace p2p::server
