// The relay without its socket: datagram + now -> datagrams + next deadline + events. The same code
// runs under the worker, the simulator, the fuzzer and the benchmark.
#pragma once

#include <memory>
#include <memory_resource>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/relay/relay_port.h"
#include "udp-relay/core/registrar.h"
#include "udp-relay/core/timer_wheel.h"

namespace p2p::relay {

// One thread. Calls `events` from within its methods; `events` must not call back in. `random`,
// `events`, `counters` and `memory` outlive it.
class RelayEngine {
 public:
  // Sessions live in `memory`, in large blocks.
  RelayEngine(const RelayOptions& options, Random& random, RelayEvents& events,
              RelayCounters& counters,
              std::pmr::memory_resource& memory = *std::pmr::new_delete_resource());

  // Orders, as in RelayPort.
  void AddSession(ConnId id, Secret<32> psk);
  void RemoveSession(ConnId id);
  void AddBroadcast(const SignedBroadcast& broadcast, MonoTime expires);
  void RemoveBroadcast(BroadcastId id);
  void Queue(std::span<const ConnId> sessions, BroadcastId broadcast);
  // Forgets all sessions and broadcasts.
  void Clear();

  // This datagram comes soon: begins to fetch what it needs from memory. With many sessions that
  // takes longer than all the rest, so it pays to begin with a whole batch.
  void Expect(ByteView datagram) const;
  // Takes one datagram; leaves at most one answer in `out`, which is not larger than what its
  // addressee sent.
  void OnDatagram(ByteView datagram, const Path& path, MonoTime now, Outbox& out);
  // Carries out what is due at `now` until `out` is full.
  void Poll(MonoTime now, Outbox& out);
  // When Poll() has something to do; in the past when it stopped at a full batch.
  std::optional<MonoTime> NextDeadline() const;

  // Nothing is outstanding for a session that can be reached. Looks at every session.
  bool Idle();
  // So many acknowledgements are on their way that clients are asked to spread them.
  bool ExpectsMany() const { return ack_window_.window() > Duration(0); }
  size_t sessions() const { return by_id_.size(); }
  size_t broadcasts() const { return broadcasts_.size(); }

 private:
  using Slot = TimerWheel::Slot;
  struct Incoming {
    uint64_t packet_no;
    const Path& path;
    MonoTime now;
    bool answered;  // There is one answer to a datagram.
  };
  std::optional<Slot> Find(ConnId id) const;
  void Prefetch(ConnId id) const;
  void OnRegister(ByteView datagram, const Path& path, MonoTime now, Outbox& out);
  void OnData(ByteView datagram, const Path& path, MonoTime now, Outbox& out);
  // False at the first malformed frame; what stood before it was carried out.
  bool OnFrames(RelaySession& session, Incoming& in, ByteView frames, Outbox& out);
  bool OnFrame(RelaySession& session, Incoming& in, const wire::RawFrame& frame, Outbox& out);
  void OnHave(RelaySession& session, const std::vector<BroadcastId>& have);
  void Delivered(RelaySession& session, BroadcastId id);
  void CountOpenError(session::OpenError error);
  // Sets the session's timer from its state, without sending; counts what is on its way.
  void Arm(Slot slot);

  const RelayOptions options_;
  Random& random_;
  RelayEvents& events_;
  RelayCounters& counters_;
  session::Ciphers ciphers_;
  Egress egress_;
  Registrar registrar_;
  BroadcastTable broadcasts_;
  std::optional<MonoTime> egress_wait_;  // The total cap held us back until then.
  Jitter jitter_;
  AckWindow ack_window_;
  struct Free {
    std::pmr::memory_resource* pool;
    void operator()(RelaySession* session) const {
      std::pmr::polymorphic_allocator<>(pool).delete_object(session);
    }
  };
  std::pmr::unsynchronized_pool_resource pool_;
  std::vector<std::unique_ptr<RelaySession, Free>> slots_;
  std::vector<Slot> free_;
  absl::flat_hash_map<ConnId, Slot> by_id_;
  TimerWheel timers_;
};

}  // namespace p2p::relay
