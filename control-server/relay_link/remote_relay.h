// A relay in another process, behind RelayPort: the hub and the broadcast desk do not see the
// difference. While no relay is linked every session counts as unreachable, so that broadcasts take
// the clients' channels at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/base/counters.h"
#include "common/base/mutex.h"
#include "common/config/timing.h"
#include "common/relay/relay_port.h"
#include "control-server/admission/connection_control.h"
#include "control-server/relay_link/link_outbox.h"
#include "control-server/relay_link/order_message.h"

namespace p2p::server {

enum class LinkCount {
  kLinked,        // Registrations.
  kWrongToken,    // Refused.
  kSecondRelay,   // Refused: another one is linked.
  kBadRegister,   // Refused: malformed, late, twice, or not first.
  kOverflows,     // Ended because too much was waiting.
  kStuckReaders,  // Cut because orders were not read.
  kReports,
  kMalformedReports,  // Ignored.
  kDropped,           // Orders that no relay was there for.
  kCount
};

// Thread-safe; never blocks. Nothing is kept for a relay that is not there: when one registers it
// is fed anew by whoever hears OnRelayRestarted.
class RemoteRelay final : public relay::RelayPort {
 public:
  // All outlive this object. `events` may be called from any thread, within the calls below.
  RemoteRelay(relay::RelayEvents& events, ConnectionControl& connections, const Clock& clock,
              const config::Timing& timing)
      : events_(events), connections_(connections), clock_(clock), timing_(timing) {}

  // RelayPort.
  void AddSession(ConnId session, Secret<32> psk) override ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveSession(ConnId session) override ABSL_LOCKS_EXCLUDED(mu_);
  void AddBroadcast(relay::SignedBroadcastPtr broadcast, MonoTime expires) override
      ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveBroadcast(BroadcastId broadcast) override ABSL_LOCKS_EXCLUDED(mu_);
  void Queue(ConnId session, BroadcastId broadcast) override ABSL_LOCKS_EXCLUDED(mu_);
  void QueueForAll(std::vector<ConnId> sessions, BroadcastId broadcast) override
      ABSL_LOCKS_EXCLUDED(mu_);

  // Port 0 while no relay is linked, or it drains.
  RelayAddress address() const ABSL_LOCKS_EXCLUDED(mu_);
  size_t sessions() const ABSL_LOCKS_EXCLUDED(mu_);
  Counters<LinkCount>& counters() { return counters_; }

  // Of a link call, in this order. Claim: false when another one is linked. Claimed links release
  // once, last.
  using OutboxPtr = std::shared_ptr<LinkOutbox>;
  bool Claim(const OutboxPtr& outbox, const net::SocketAddress& peer) ABSL_LOCKS_EXCLUDED(mu_);
  void Register(const OutboxPtr& outbox, RelayAddress address) ABSL_LOCKS_EXCLUDED(mu_);
  void OnDelivered(ConnId session, BroadcastId broadcast);
  void OnReachable(ConnId session, bool reachable) ABSL_LOCKS_EXCLUDED(mu_);
  // It takes nothing new from here on.
  void OnDraining() ABSL_LOCKS_EXCLUDED(mu_);
  void Release(const OutboxPtr& outbox) ABSL_LOCKS_EXCLUDED(mu_);

  // Cuts a link that does not register or does not read. Call every few seconds.
  void Housekeep() ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the link, present and future: the server is shutting down.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Link {
    OutboxPtr outbox;
    net::SocketAddress peer;
    MonoTime claimed;
    bool registered = false;
    bool draining = false;
    RelayAddress address;
    bool takes_orders() const { return registered && !draining; }
  };

  // The outbox of the link that takes orders; null: none.
  OutboxPtr Open() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Send(LinkOrder order) ABSL_LOCKS_EXCLUDED(mu_);

  relay::RelayEvents& events_;
  ConnectionControl& connections_;
  const Clock& clock_;
  const config::Timing& timing_;
  Counters<LinkCount> counters_;
  mutable Mutex mu_;
  Link link_ ABSL_GUARDED_BY(mu_);  // Null outbox: none.
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  // Every session there is; true: it was said since the last registration that the relay does not
  // reach it.
  absl::flat_hash_map<ConnId, bool> sessions_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
