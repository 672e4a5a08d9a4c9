// Two threads and one TLS 1.3 connection between them on loopback, with blocking sockets and
// nothing above TLS: the yardstick of a conversation.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "common/base/time.h"
#include "common/net/fd.h"
#include "tests/bench/samples.h"

namespace p2p::bench {

class BareTls {
 public:
  BareTls();
  ~BareTls();
  BareTls(const BareTls&) = delete;
  BareTls& operator=(const BareTls&) = delete;

  // One side sends `size` bytes, the other sends them back.
  void PingPong(size_t rounds, size_t size, Samples& samples);
  // One side hashes the file, then sends it; the other hashes what comes and writes it to a file,
  // synced. The digests are equal.
  struct Copied {
    Duration hashed{};  // Before the first byte is sent.
    Duration moved{};   // From then until the other file is written.
  };
  Copied Copy(const std::string& from, const std::string& to);

 private:
  class End;
  std::unique_ptr<End> here_, there_;
};

}  // namespace p2p::bench
