// The connection of a conversation without the conversation: two event loops, each on a thread of
// its own, and the peer link's TLS between them (common/net/tls_stream.h). What a chat adds is
// measured against it.
#pragma once

#include <memory>

#include "tests/bench/samples.h"

namespace p2p::bench {

class EventTls {
 public:
  EventTls();
  ~EventTls();
  EventTls(const EventTls&) = delete;
  EventTls& operator=(const EventTls&) = delete;

  // One side sends `size` bytes, the other sends them back.
  void PingPong(size_t rounds, size_t size, Samples& samples);

 private:
  class End;
  std::unique_ptr<End> here_, there_;
};

}  // namespace p2p::bench
