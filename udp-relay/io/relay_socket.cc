#include "udp-relay/io/relay_socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "udp-relay/io/send_batch.h"

namespace p2p::relay {
namespace {

constexpr int kWantedReceiveBuffer = 8 << 20;
constexpr int kPoorReceiveBuffer = 1 << 20;
// One byte more than the largest datagram shows that a longer one was cut.
constexpr size_t kReceiveSize = wire::kMaxDatagram + 1;
constexpr size_t kControlSize = CMSG_SPACE(sizeof(in6_pktinfo)) > CMSG_SPACE(sizeof(in_pktinfo))
                                    ? CMSG_SPACE(sizeof(in6_pktinfo))
                                    : CMSG_SPACE(sizeof(in_pktinfo));

absl::Status SetInt(int fd, int level, int name, int value, const char* what) {
  if (setsockopt(fd, level, name, &value, sizeof value) == 0) return absl::OkStatus();
  return net::ErrnoError(what, errno);
}

// What the kernel grants: twice what was asked for.
int ReceiveBuffer(int fd) {
  int got = 0;
  socklen_t size = sizeof got;
  return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size) == 0 ? got : 0;
}

void RaiseReceiveBuffer(int fd) {
  const int want = kWantedReceiveBuffer;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof want) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof want);
  }
  const int got = ReceiveBuffer(fd) / 2;
  if (got < kPoorReceiveBuffer) {
    LogWarning("relay_receive_buffer_small",
               {{"bytes", got}, {"hint", "raise net.core.rmem_max to 8388608"}});
  }
}

absl::StatusOr<net::UniqueFd> Open(const net::SocketAddress& listen, PortUse use) {
  const bool v6 = !listen.ip.is_v4();
  net::UniqueFd fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return net::ErrnoError("relay socket", errno);
  if (v6) {
    const int only = listen.ip.IsUnspecified() ? 0 : 1;
    P2P_RETURN_IF_ERROR(SetInt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, only, "IPV6_V6ONLY"));
  }
  if (use == PortUse::kShared) {
    P2P_RETURN_IF_ERROR(SetInt(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
  }
  RaiseReceiveBuffer(fd.get());
  sockaddr_storage address;
  const socklen_t size = listen.ToSockaddr(address);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return net::ErrnoError(absl::StrCat("relay bind ", listen.ToString(), "/udp"), errno);
  }
  return fd;
}

bool HasNoIpv6() {
  const net::UniqueFd probe(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return !probe.valid() && errno == EAFNOSUPPORT;
}

// An older kernel would take joined datagrams for a large one.
bool CanSegment(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &size) == 0;
}

// Joined datagrams were refused because they were joined, perhaps: with one alone it may be
// different. What the kernel says of a small MTU differs from version to version.
bool MayBeForJoining(int error) {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP;
}

// The own address in a received message's control data.
net::IpAddress LocalAddress(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return net::IpAddress::V4(ntohl(info.ipi_addr.s_addr));
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return *net::IpAddress::FromBytes(ByteView(info.ipi6_addr.s6_addr, 16));
    }
  }
  return {};
}

}  // namespace

absl::StatusOr<net::UniqueFd> OpenRelaySocket(const net::SocketAddress& listen, PortUse use) {
  if (!listen.ip.is_v4() && listen.ip.IsUnspecified() && HasNoIpv6()) {
    return Open({net::IpAddress(), listen.port}, use);
  }
  return Open(listen, use);
}

absl::StatusOr<net::SocketAddress> BoundAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return net::ErrnoError("relay socket address", errno);
  }
  const auto address = net::SocketAddress::FromSockaddr(storage);
  if (!address) return absl::InvalidArgumentError("the relay needs a bound IPv4 or IPv6 socket");
  return *address;
}

struct RelaySocket::Buffers {
  struct Incoming {
    sockaddr_storage from;
    std::array<uint8_t, kReceiveSize> bytes;
    alignas(cmsghdr) std::array<uint8_t, kControlSize> control;
    iovec io;
  };
  std::array<Incoming, kReceiveBatch> in;
  std::array<mmsghdr, kReceiveBatch> in_headers;
  SendBatch out;
};

absl::StatusOr<std::unique_ptr<RelaySocket>> RelaySocket::Adopt(net::UniqueFd fd,
                                                                IoCounters& counters) {
  P2P_ASSIGN_OR_RETURN(const net::SocketAddress address, BoundAddress(fd.get()));
  int family = 0;
  socklen_t size = sizeof family;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
    return net::ErrnoError("SO_DOMAIN", errno);
  }
  const bool v6 = family == AF_INET6;
  const int level = v6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP);
  const int option = v6 ? IPV6_RECVPKTINFO : IP_PKTINFO;
  if (address.ip.IsUnspecified()) {
    P2P_RETURN_IF_ERROR(SetInt(fd.get(), level, option, 1, "PKTINFO"));
  }
  return std::unique_ptr<RelaySocket>(new RelaySocket(std::move(fd), address, v6, counters));
}

RelaySocket::RelaySocket(net::UniqueFd fd, net::SocketAddress address, bool v6,
                         IoCounters& counters)
    : fd_(std::move(fd)),
      address_(address),
      v6_(v6),
      wildcard_(address.ip.IsUnspecified()),
      segments_(CanSegment(fd_.get())),
      receive_buffer_(static_cast<uint32_t>(ReceiveBuffer(fd_.get()))),
      counters_(counters),
      buffers_(std::make_unique<Buffers>()) {}

RelaySocket::~RelaySocket() = default;

size_t RelaySocket::Receive(absl::FunctionRef<void(ByteView)> look,
                            absl::FunctionRef<void(ByteView, const Path&)> take) {
  for (size_t i = 0; i < kReceiveBatch; ++i) {
    auto& slot = buffers_->in[i];
    slot.io = {.iov_base = slot.bytes.data(), .iov_len = slot.bytes.size()};
    msghdr& header = buffers_->in_headers[i].msg_hdr;
    header = {};
    header.msg_name = &slot.from;
    header.msg_namelen = sizeof slot.from;
    header.msg_iov = &slot.io;
    header.msg_iovlen = 1;
    if (!wildcard_) continue;
    header.msg_control = slot.control.data();
    header.msg_controllen = slot.control.size();
  }
  const int n =
      recvmmsg(fd_.get(), buffers_->in_headers.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) counters_.Add(IoCount::kReceiveErrors);
    return 0;
  }
  counters_.Add(IoCount::kReceived, static_cast<uint64_t>(n));
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    look(ByteView(buffers_->in[i].bytes).first(buffers_->in_headers[i].msg_len));
  }
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    const auto remote = net::SocketAddress::FromSockaddr(buffers_->in[i].from);
    if (!remote) continue;
    mmsghdr& header = buffers_->in_headers[i];
    take(ByteView(buffers_->in[i].bytes).first(header.msg_len),
         Path{*remote, wildcard_ ? LocalAddress(header.msg_hdr) : net::IpAddress()});
  }
  return static_cast<size_t>(n);
}

bool RelaySocket::ReceiveBufferFills() const {
  std::array<uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &size) != 0) return true;
  return info[SK_MEMINFO_RMEM_ALLOC] >= receive_buffer_ / 4;
}

RelaySocket::Sent RelaySocket::Send(Outbox& out) {
  SendBatch& batch = buffers_->out;
  while (!out.empty()) {
    batch.Fill(out, {.v6 = v6_, .local = wildcard_, .segments = segments_});
    const int sent = sendmmsg(fd_.get(), batch.headers(), batch.size(), MSG_DONTWAIT);
    if (sent > 0) {
      const size_t datagrams = batch.Datagrams(static_cast<size_t>(sent));
      counters_.Add(IoCount::kSent, datagrams);
      counters_.Add(IoCount::kSegmented, datagrams - static_cast<size_t>(sent));
      out.DropFront(datagrams);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      counters_.Add(IoCount::kSendBlocked);
      return Sent::kBlocked;
    }
    if (errno == ENOBUFS) {
      counters_.Add(IoCount::kSendNoBuffers);
      return Sent::kNoBuffers;
    }
    if (batch.Datagrams(1) > 1 && MayBeForJoining(errno)) {
      counters_.Add(IoCount::kSegmentsRefused);
      batch.SendSingly(out[0].path.remote.ip);
      continue;
    }
    // Unreachable, too large, forbidden: this one only. Retransmission sees to the rest.
    counters_.Add(IoCount::kSendRefused, batch.Datagrams(1));
    out.DropFront(batch.Datagrams(1));
  }
  return Sent::kAll;
}

}  // namespace p2p::relay
