#include "tests/tools/source_watch.h"

#include "absl/strings/str_cat.h"
#include "common/wire/datagram.h"
#include "common/wire/register_reply.h"
#include "udp-relay/core/path_probe.h"

namespace p2p::sim {

void SourceWatch::In(const net::SocketAddress& from, ByteView datagram) {
  last_ = from;
  Source& source = sources_[from];
  source.in += datagram.size();
  if (wire::PeekKind(datagram) != wire::DatagramKind::kRegister) return;
  const auto packet = wire::RegisterPacket::Parse(datagram);
  if (packet && packet->with_cookie && source.cookies.contains(packet->cookie)) {
    source.proved = true;
  }
}

void SourceWatch::Moved() {
  Source& source = sources_[last_];
  if (!source.challenged && !source.proved) {
    wrong_.push_back(absl::StrCat("a session moved unasked to ", last_.ToString()));
  }
  source.proved = true;
}

void SourceWatch::Out(const net::SocketAddress& to, ByteView datagram) {
  Source& source = sources_[to];
  source.out += datagram.size();
  const auto kind = wire::PeekKind(datagram);
  if (!source.proved && source.out > source.in) {
    wrong_.push_back(absl::StrCat(to.ToString(), " sent ", source.in,
                                  " bytes, proved nothing and got ", source.out));
  }
  if (kind == wire::DatagramKind::kChallenge) {
    if (const auto packet = wire::ChallengePacket::Parse(datagram)) {
      source.cookies.insert(packet->cookie);
    }
  }
  if (kind == wire::DatagramKind::kData &&
      datagram.size() == relay::PathProbe::kChallengeDatagram) {
    source.challenged = true;
  }
}

}  // namespace p2p::sim
