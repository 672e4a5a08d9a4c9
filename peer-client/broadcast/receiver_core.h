// Datagrams to broadcasts and back to acknowledgements, without socket, clock or disk.
#pragma once

#include <vector>

#include "common/base/counters.h"
#include "common/reliable/reassembly.h"
#include "peer-client/broadcast/relay_client.h"

namespace p2p::client {

enum class ReceiverCount {
  kDatagrams,
  kBadFrames,
  kRepeatedFragments,
  kInconsistent,  // Fragments that contradict each other: the partial was dropped.
  kAckOverflow,   // More broadcasts to acknowledge than kept; the relay sends again.
  kCount,
};

class ReceiverCore {
 public:
  // What it asks of the part that verifies and keeps messages.
  class Inbox {
   public:
    enum class Known { kNo, kNotYetDurable, kDurable };
    virtual ~Inbox() = default;
    virtual Known Find(BroadcastId id) const = 0;
    virtual std::vector<BroadcastId> Newest(size_t max) const = 0;
    // A complete payload of unverified content. When it is durable, call Done(id).
    virtual void OnPayload(BroadcastId id, ByteView payload) = 0;
  };
  ReceiverCore(const config::Timing& timing, Random& random, Inbox& inbox);

  void Start(ConnId conn_id, Secret<32> psk, MonoTime now);
  void Stop(Datagrams& out);
  // Acknowledgements wait for Poll, so that one datagram answers a whole batch.
  void OnDatagram(ByteView datagram, MonoTime now);
  // It is durable: tell the relay.
  void Done(BroadcastId id, MonoTime now);
  void Poll(MonoTime now, Datagrams& out);
  std::optional<MonoTime> NextDeadline() const;

  UdpState state() const { return client_.state(); }
  bool TakeSocketWish() { return client_.TakeSocketWish(); }
  const Counters<ReceiverCount>& counters() const { return counters_; }

 private:
  // A broadcast of which fragments arrived and that waits for its ACK or DONE.
  struct Pending {
    BroadcastId id;
    uint64_t packet_no = 0;  // Newest datagram with a fragment of it.
    MonoTime arrived;
    bool done = false;
    bool due = false;  // To be sent at the next flush.
  };
  static constexpr size_t kMaxPending = 4 * wire::kMaxPartials;

  void OnFrame(const wire::RawFrame& frame, uint64_t packet_no, MonoTime now);
  void OnFragment(const wire::FragmentFrame& fragment, uint64_t packet_no, MonoTime now);
  Pending* PendingFor(BroadcastId id);
  void Flush(MonoTime now, Datagrams& out);
  void ScheduleFlush(MonoTime now);

  Random& random_;
  Inbox& inbox_;
  RelayClient client_;
  reliable::Reassembler reassembler_;
  Counters<ReceiverCount> counters_;
  std::vector<Pending> pending_;
  std::optional<wire::PathResponseFrame> path_response_;
  std::optional<MonoTime> flush_at_;
  Duration ack_window_{0};
  uint64_t generation_ = 0;
};

}  // namespace p2p::client
