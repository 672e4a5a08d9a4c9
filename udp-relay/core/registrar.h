// How a client becomes a session: REGISTER, CHALLENGE, REGISTER with cookie, REGISTERED.
#pragma once

#include "udp-relay/core/egress.h"
#include "udp-relay/core/register_limiter.h"
#include "udp-relay/core/relay_session.h"

namespace p2p::relay {

class Registrar {
 public:
  // Answers are charged to `egress`.
  Registrar(const RelayOptions& options, Random& random, Egress& egress, RelayCounters& counters);

  // `session` is the one that `packet` names, parsed from `datagram`. Leaves at most one answer in
  // `out`, smaller than the question. Returns the body when it was accepted.
  std::optional<wire::RegisterBody> OnRegister(RelaySession& session,
                                               const wire::RegisterPacket& packet,
                                               ByteView datagram, const Path& path, MonoTime now,
                                               Outbox& out);

 private:
  bool Proved(RelaySession& session, ByteView datagram, const Path& path, MonoTime now);
  void Answer(ByteView bytes, const Path& path, MonoTime now, Outbox& out);

  const RelayOptions& options_;
  Random& random_;
  Egress& egress_;
  RelayCounters& counters_;
  RegisterLimiter limiter_;
  session::CookieJar cookies_;
};

}  // namespace p2p::relay
