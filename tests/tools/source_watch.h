// Watches what a relay takes and sends, from outside: an address that has not proved that somebody
// is there gets no more bytes than came from it, by whatever way they leave.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/net/address.h"
#include "common/wire/register_packet.h"

namespace p2p::sim {

// A proof is a REGISTER from an address with a cookie that a CHALLENGE took there, or a move of the
// session to an address to which something as long as a PATH_CHALLENGE went; that the token in it
// was right only the relay can tell.
class SourceWatch {
 public:
  // A datagram that the relay is about to take.
  void In(const net::SocketAddress& from, ByteView datagram);
  // The relay says that a session moved to where the last datagram came from.
  void Moved();
  void Out(const net::SocketAddress& to, ByteView datagram);
  // A relay that knows nothing of before.
  void Restarted() { sources_.clear(); }
  // What should not have happened.
  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  struct Source {
    uint64_t in = 0;  // Bytes.
    uint64_t out = 0;
    bool proved = false;
    bool challenged = false;  // Its path, that is.
    std::set<wire::Mac> cookies;
  };
  std::map<net::SocketAddress, Source> sources_;
  net::SocketAddress last_;
  std::vector<std::string> wrong_;
};

}  // namespace p2p::sim
