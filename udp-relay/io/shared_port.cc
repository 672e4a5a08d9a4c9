#include "udp-relay/io/shared_port.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "common/base/check.h"
#include "udp-relay/io/relay_socket.h"

namespace p2p::relay {
namespace {

// Of a DATA and of a REGISTER datagram, the two kinds that clients send.
constexpr uint32_t kConnIdOffset = 4;

// Returns conn_id[0..3] as a big-endian number, modulo `count`. A datagram that is too short to
// have one goes to the first socket, which drops it.
absl::Status Steer(int fd, size_t count) {
  std::array<sock_filter, 3> code{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kConnIdOffset},
      {BPF_ALU | BPF_MOD | BPF_K, 0, 0, static_cast<uint32_t>(count)},
      {BPF_RET | BPF_A, 0, 0, 0},
  }};
  const sock_fprog program{.len = code.size(), .filter = code.data()};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0) {
    return absl::OkStatus();
  }
  return net::ErrnoError("relay SO_ATTACH_REUSEPORT_CBPF", errno);
}

}  // namespace

size_t SocketOf(ConnId session, size_t count) {
  uint32_t head = 0;
  for (size_t i = 0; i < 4; ++i) head = head << 8 | session.bytes[i];
  return head % count;
}

absl::StatusOr<std::vector<net::UniqueFd>> OpenRelaySockets(const net::SocketAddress& listen,
                                                            size_t count) {
  std::vector<net::UniqueFd> out;
  // Sockets that share a port would share it with another process of the same user, too: an
  // ordinary one finds out first whether the port is free.
  P2P_ASSIGN_OR_RETURN(net::UniqueFd alone, OpenRelaySocket(listen));
  if (count == 1) {
    out.push_back(std::move(alone));
    return out;
  }
  P2P_ASSIGN_OR_RETURN(const net::SocketAddress bound, BoundAddress(alone.get()));
  alone.Reset();
  for (size_t i = 0; i < count; ++i) {
    P2P_ASSIGN_OR_RETURN(net::UniqueFd fd, OpenRelaySocket(bound, PortUse::kShared));
    out.push_back(std::move(fd));
  }
  P2P_RETURN_IF_ERROR(Steer(out.front().get(), count));
  return out;
}

}  // namespace p2p::relay
