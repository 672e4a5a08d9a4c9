// The relay's UDP socket and its batches.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/base/counters.h"
#include "common/net/fd.h"
#include "udp-relay/core/outbox.h"

namespace p2p::relay {

enum class IoCount {
  kReceived,
  kSent,
  kSegmented,        // Of those, the ones that cost no message of their own.
  kSegmentsRefused,  // Messages of several for somebody who gets them one by one from then on.
  kReceiveErrors,
  kSendBlocked,    // The socket buffer was full; went on when it was not.
  kSendNoBuffers,  // ENOBUFS; tried again a little later.
  kSendRefused,    // One datagram the kernel would not take: skipped.
  kOrderOverflow,  // Orders dropped; the relay starts over.
  kCount,
};
using IoCounters = Counters<IoCount>;

// A bound, non-blocking socket that tells for each datagram which own address it was sent to.
// [::] takes IPv4 as well, and becomes 0.0.0.0 where there is no IPv6. Asks for 8 MiB of receive
// buffer and logs a warning when it gets less than 1 MiB.
enum class PortUse { kAlone, kShared };  // Shared: with other sockets of this user.
absl::StatusOr<net::UniqueFd> OpenRelaySocket(const net::SocketAddress& listen,
                                              PortUse use = PortUse::kAlone);
// With the real port.
absl::StatusOr<net::SocketAddress> BoundAddress(int fd);

// Takes over a bound UDP socket, such as OpenRelaySocket's. One thread.
class RelaySocket {
 public:
  static constexpr size_t kReceiveBatch = 64;
  static constexpr size_t kSendBatch = 256;  // SendBatch::kMessages.

  static absl::StatusOr<std::unique_ptr<RelaySocket>> Adopt(net::UniqueFd fd, IoCounters& counters);
  ~RelaySocket();

  // One recvmmsg; `look` for each datagram, then `take` for each. Returns how many there were;
  // fewer than kReceiveBatch: none are left.
  size_t Receive(absl::FunctionRef<void(ByteView datagram)> look,
                 absl::FunctionRef<void(ByteView datagram, const Path& path)> take);
  // The receive buffer is so full that datagrams may soon be lost: a quarter.
  bool ReceiveBufferFills() const;
  enum class Sent { kAll, kBlocked, kNoBuffers };
  // Sends from the front of `out` and drops what was taken; what is left waits for the next call.
  Sent Send(Outbox& out);

  int fd() const { return fd_.get(); }
  const net::SocketAddress& address() const { return address_; }

 private:
  struct Buffers;
  RelaySocket(net::UniqueFd fd, net::SocketAddress address, bool v6, IoCounters& counters);

  net::UniqueFd fd_;
  net::SocketAddress address_;
  bool v6_;
  bool wildcard_;
  bool segments_;
  uint32_t receive_buffer_;  // Bytes, as the kernel counts them.
  IoCounters& counters_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace p2p::relay
