// What one session still has to be sent, fragment by fragment: due times, tries, acknowledgements.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "common/wire/delivery_frames.h"
#include "udp-relay/core/broadcast_table.h"

namespace p2p::relay {

class TransmitQueue {
 public:
  // In flight at once; no more than the client keeps partial.
  static constexpr size_t kMaxActive = wire::kMaxPartials;

  enum class Result { kQueued, kAlready, kFull };
  Result Queue(StoredBroadcastPtr broadcast, size_t max_queued);

  // A fragment whose time has come. Valid until the next call that is not const.
  struct Due {
    size_t active = 0;
    const StoredBroadcast* broadcast = nullptr;
    uint16_t index = 0;
    int tries = 0;         // So far.
    MonoTime sent{};       // The last time.
    bool at_once = false;  // Not for having waited, but for news that it is missing.
    size_t FrameSize() const;
    wire::FragmentFrame Frame() const;
  };
  std::optional<Due> NextDue(MonoTime now);
  // It is not due before `until` after all.
  void Postpone(const Due& due, MonoTime until);
  // It left in datagram `packet_no`; unacknowledged it is due again at `again`.
  void OnSent(const Due& due, uint64_t packet_no, MonoTime now, MonoTime again);

  struct Acked {
    bool known = false;                // The broadcast was in this queue.
    std::optional<Duration> rtt = {};  // Measured, with the peer's delay taken off.
  };
  // `carrier_no` is the number of the datagram that brought the ACK: it orders ACKs.
  Acked OnAck(const wire::AckFrame& ack, uint64_t carrier_no, MonoTime now);
  // Removes it: delivered.
  Acked OnDone(const wire::DoneFrame& done, MonoTime now);
  // The same for an id that the client says it has.
  bool Forget(BroadcastId id);

  // Everything unacknowledged is due at once, as if never sent: new keys, or the client is back.
  void SendAllAgain();
  // When NextDue() has something next; nullopt: never. Drops dead broadcasts on the way.
  std::optional<MonoTime> NextDeadline();
  size_t size() const { return active_.size() + (waiting_ ? waiting_->size() : 0); }
  // Fragments that were begun and are not acknowledged.
  size_t outstanding() const;

 private:
  struct Fragment {
    MonoTime due{};  // The beginning of time: at once.
    MonoTime sent{};
    uint64_t packet_no = 0;  // 0: not sent under the present keys.
    int tries = 0;
  };
  struct Active {
    StoredBroadcastPtr broadcast;
    uint64_t acked = 0;
    uint64_t newest_ack = 0;  // Carrier of the newest ACK taken.
    absl::InlinedVector<Fragment, 1> fragments;
  };
  Active* Find(BroadcastId id);
  std::optional<Duration> Measure(const Active& active, uint64_t packet_no, uint16_t delay_ms,
                                  MonoTime now) const;
  template <class Predicate>
  void DropActive(const Predicate& which);
  void Start(StoredBroadcastPtr broadcast);
  // Drops the dead, and starts what waits while there is room.
  void Refresh();

  // Most often there is one, of one fragment: that costs no allocation. What more of them took is
  // given back with the last.
  absl::InlinedVector<Active, 1> active_;
  std::unique_ptr<std::deque<StoredBroadcastPtr>> waiting_;  // Null when empty.
};

}  // namespace p2p::relay
