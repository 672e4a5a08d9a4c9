// Datagrams of an outbox as messages for one sendmmsg.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "absl/hash/hash.h"
#include "udp-relay/core/outbox.h"

namespace p2p::relay {

// Several datagrams for one client that follow each other and are of one size (the last may be
// shorter) become one message that the kernel cuts again: generic segmentation offload, UDP_SEGMENT
// of udp(7). One way through the network stack for all of them. One thread.
class SendBatch {
 public:
  static constexpr size_t kMessages = 256;
  static constexpr size_t kDatagrams = 256;
  // At most so many in one message; what one client gets at once is no more anyway.
  static constexpr size_t kSegments = 16;

  struct Options {
    bool v6 = false;        // The socket's family.
    bool local = false;     // Datagrams leave from their path's own address.
    bool segments = false;  // Join datagrams.
  };
  // A path to there does not take joined datagrams: a small MTU, or a device that cannot. They go
  // one by one from now on, or until so many others have taken this one's place.
  void SendSingly(const net::IpAddress& to) { PlaceOf(to) = to; }
  // From the front of `out`; it must stay as it is until the batch was sent.
  void Fill(const Outbox& out, const Options& options);

  mmsghdr* headers() { return headers_.data(); }
  unsigned size() const { return static_cast<unsigned>(size_); }
  // In the first `messages` messages.
  size_t Datagrams(size_t messages) const;

 private:
  static constexpr size_t kControlSize =
      CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t));
  struct Message {
    sockaddr_storage to;
    alignas(cmsghdr) std::array<uint8_t, kControlSize> control;
  };
  std::optional<net::IpAddress>& PlaceOf(const net::IpAddress& to) {
    return singly_[absl::HashOf(to) % kSingly];
  }
  // How many datagrams from `first` on fit one message.
  size_t Joinable(const Outbox& out, size_t first, size_t end);
  void PutControl(msghdr& header, Message& message, const Outbox::Item& item, size_t count,
                  const Options& options);

  static constexpr size_t kSingly = 256;
  std::array<std::optional<net::IpAddress>, kSingly> singly_;
  std::array<iovec, kDatagrams> datagrams_;
  std::array<Message, kMessages> messages_;
  std::array<mmsghdr, kMessages> headers_;
  size_t size_ = 0;
};

}  // namespace p2p::relay
