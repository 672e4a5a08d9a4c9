// The seam between the control-server and a relay, in the same process (udp-relay/io) or across
// RelayLink. Both programs include it; neither includes the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/base/id.h"
#include "common/base/secret.h"
#include "common/base/time.h"

namespace p2p::relay {

// A broadcast as the relay needs it: already signed; immutable and shared by every session it is
// queued for.
struct SignedBroadcast {
  BroadcastId id;
  Bytes signed_object;                  // Inner object of proto/RELAY_DATAGRAM.md.
  std::array<uint8_t, 64> signature{};  // Ed25519 over signed_object.
  std::string text;                     // At most kMaxBroadcastText bytes.
};
using SignedBroadcastPtr = std::shared_ptr<const SignedBroadcast>;

// What the relay tells its owner. Called on the relay's own thread; implementations only post to
// their own loop.
class RelayEvents {
 public:
  virtual ~RelayEvents() = default;
  // The session's client said that it has journalled the broadcast. May repeat.
  virtual void OnDelivered(ConnId session, BroadcastId broadcast) = 0;
  // The session registered (true), or fell silent (false: three ping intervals without a datagram).
  virtual void OnReachable(ConnId session, bool reachable) = 0;
  // The relay lost all sessions (process restarted): feed it again.
  virtual void OnRelayRestarted() = 0;
};

// What the owner tells the relay. Thread-safe, never blocks; orders of one caller are carried out
// in order. Queueing an unknown session or broadcast is ignored.
class RelayPort {
 public:
  virtual ~RelayPort() = default;
  virtual void AddSession(ConnId session, Secret<32> psk) = 0;
  virtual void RemoveSession(ConnId session) = 0;
  // Kept until `expires`, then dropped everywhere.
  virtual void AddBroadcast(SignedBroadcastPtr broadcast, MonoTime expires) = 0;
  virtual void RemoveBroadcast(BroadcastId broadcast) = 0;
  // Deliver to that session until acknowledged, expired or gone.
  virtual void Queue(ConnId session, BroadcastId broadcast) = 0;
  // The same for many sessions.
  virtual void QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) {
    for (const ConnId& session : sessions) Queue(session, broadcast);
  }
};

}  // namespace p2p::relay
