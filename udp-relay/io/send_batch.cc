#include "udp-relay/io/send_batch.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

namespace p2p::relay {
namespace {

// Appends a control message to `header`, whose control buffer begins with what is there already.
template <class T>
void Append(msghdr& header, uint8_t* control, int level, int type, const T& value) {
  auto* c = reinterpret_cast<cmsghdr*>(control + header.msg_controllen);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(c), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

in6_pktinfo SendFrom6(const net::IpAddress& local) {
  sockaddr_storage storage;
  net::SocketAddress{local, 0}.ToSockaddr(storage, /*as_v6=*/true);
  sockaddr_in6 in6;
  std::memcpy(&in6, &storage, sizeof in6);
  in6_pktinfo info{};
  info.ipi6_addr = in6.sin6_addr;
  return info;
}

in_pktinfo SendFrom4(const net::IpAddress& local) {
  in_pktinfo info{};
  std::memcpy(&info.ipi_spec_dst, local.bytes().data(), 4);
  return info;
}

}  // namespace

void SendBatch::Fill(const Outbox& out, const Options& options) {
  const size_t end = std::min(out.size(), kDatagrams);
  size_ = 0;
  for (size_t i = 0; i < end;) {
    const size_t count = options.segments ? Joinable(out, i, end) : 1;
    const Outbox::Item item = out[i];
    Message& message = messages_[size_];
    msghdr& header = headers_[size_].msg_hdr;
    header = {};
    header.msg_name = &message.to;
    header.msg_namelen = item.path.remote.ToSockaddr(message.to, options.v6);
    header.msg_iov = &datagrams_[i];
    header.msg_iovlen = count;
    for (const size_t last = i + count; i < last; ++i) {
      const ByteView bytes = out[i].bytes;
      datagrams_[i] = {.iov_base = const_cast<uint8_t*>(bytes.data()), .iov_len = bytes.size()};
    }
    PutControl(header, message, item, count, options);
    ++size_;
  }
}

size_t SendBatch::Datagrams(size_t messages) const {
  size_t out = 0;
  for (size_t i = 0; i < messages; ++i) out += headers_[i].msg_hdr.msg_iovlen;
  return out;
}

size_t SendBatch::Joinable(const Outbox& out, size_t first, size_t end) {
  const Outbox::Item head = out[first];
  if (PlaceOf(head.path.remote.ip) == head.path.remote.ip) return 1;
  end = std::min(end, first + kSegments);
  size_t i = first + 1;
  while (i < end) {
    const Outbox::Item next = out[i];
    if (next.bytes.size() > head.bytes.size() || next.path != head.path) break;
    ++i;
    if (next.bytes.size() < head.bytes.size()) break;  // A shorter one ends it.
  }
  return i - first;
}

void SendBatch::PutControl(msghdr& header, Message& message, const Outbox::Item& item, size_t count,
                           const Options& options) {
  uint8_t* control = message.control.data();
  if (options.local && !item.path.local.IsUnspecified()) {
    if (options.v6) {
      Append(header, control, IPPROTO_IPV6, IPV6_PKTINFO, SendFrom6(item.path.local));
    } else {
      Append(header, control, IPPROTO_IP, IP_PKTINFO, SendFrom4(item.path.local));
    }
  }
  if (count > 1) {
    Append(header, control, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(item.bytes.size()));
  }
  if (header.msg_controllen > 0) header.msg_control = control;
}

}  // namespace p2p::relay
