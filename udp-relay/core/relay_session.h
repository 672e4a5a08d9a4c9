// One client's session: keys, address, pace, and what is still to be sent.
#pragma once

#include <memory>
#include <optional>

#include "common/reliable/rtt_estimator.h"
#include "common/reliable/token_bucket.h"
#include "common/session/registration.h"
#include "common/session/sealer.h"
#include "common/wire/control_frames.h"
#include "udp-relay/core/ack_window.h"
#include "udp-relay/core/egress.h"
#include "udp-relay/core/outbox.h"
#include "udp-relay/core/path_probe.h"
#include "udp-relay/core/relay_options.h"
#include "udp-relay/core/transmit_queue.h"

namespace p2p::relay {

// Spreads timers; not for secrets. splitmix64.
class Jitter {
 public:
  explicit Jitter(uint64_t seed) : state_(seed) {}
  // `d` times a factor between 0.8 and 1.2.
  Duration Spread(Duration d);

 private:
  uint64_t state_;
};

// What all sessions share while they send.
struct SendContext {
  Egress& egress;
  Jitter& jitter;
  RelayCounters& counters;
  Duration ack_window;
};

class RelaySession {
 public:
  // `ciphers` outlive it.
  RelaySession(ConnId id, Secret<32> psk, const RelayOptions& options, session::Ciphers& ciphers);

  // Begins to fetch what a datagram needs.
  void Prefetch() const;
  ConnId id() const { return id_; }
  const Secret<32>& psk() const { return psk_; }
  TransmitQueue& queue() { return queue_; }
  bool reachable() const { return reachable_; }

  // Registration.
  bool VerifyMac(ByteView datagram) const;
  bool TakeRegisterAllowance(MonoTime now) { return register_bucket_.Take(1, now); }
  // A REGISTER whose mac, cookie and seal are right. The answer to send: made now, or the same
  // bytes again for the same client_random; null when reg_seq is not newer than the last. The new
  // keys and the address count only when a datagram sealed under them arrives.
  const session::RegisteredBytes* Accept(const wire::RegisterPacket& packet,
                                         const wire::RegisterBody& body, const Path& path,
                                         MonoTime now, Random& random, const RelayOptions& options);

  // Datagrams from the client.
  struct Opened {
    session::OpenError error = session::OpenError::kTag;
    ByteView frames{};
    bool confirmed = false;  // First one under the newest keys: they are in use from now on.
    bool newest = false;     // No later one was accepted before.
  };
  Opened Open(const wire::DataHeader& header, ByteView datagram, MonoTime now,
              std::span<uint8_t> plain);
  bool has_keys() const { return current_ || pending_; }
  // The proved address, when there is one.
  const Path* path() const { return current_ ? &current_->path : nullptr; }
  // A valid datagram of `bytes` came from `path`. When that is not the proved address and the
  // datagram is the newest, a challenge may go there; true when one was left in `out`.
  bool OnSource(const Path& path, size_t bytes, bool newest, MonoTime now, Random& random,
                Egress& egress, Outbox& out);
  // True when the session moved to `path`; what is outstanding is due there at once.
  bool OnPathResponse(const wire::PathResponseFrame& response, const Path& path, MonoTime now);
  void OnHeard(MonoTime now) {
    last_heard_ = now;
    if (current_) current_->sealer.Advance(now);
  }
  // What of `ack_delay` we asked for is known beforehand.
  void OnRtt(Duration rtt, Duration ack_delay) {
    rtt_.OnSample(rtt, std::max(ack_delay - told_window_, Duration(0)));
  }
  // Brings `total` up to date with what is on its way to this client.
  void CountOutstanding(AckWindow& total) {
    total.Recount(counted_, reachable_ ? queue_.outstanding() : 0);
  }
  void CountNothing(AckWindow& total) { total.Recount(counted_, 0); }

  // Becomes reachable: what is outstanding is due at once. False when it was already.
  bool MarkReachable();
  // False when it was not reachable anyway.
  bool MarkSilent();
  // When it counts as silent unless something is heard; nullopt while not reachable.
  std::optional<MonoTime> SilentAt() const;

  // Sends what is due and allowed; returns when there is more to do.
  std::optional<MonoTime> Transmit(MonoTime now, SendContext& context, Outbox& out);
  // To the proved address. False when there is no room, no key, or the cap is reached.
  bool SendPong(const wire::PongFrame& pong, MonoTime now, Egress& egress, Outbox& out);

 private:
  struct Keys {
    session::Sealer sealer;
    Path path;
    session::RelayOpener opener;
    wire::SessionRandom client_random;
    session::RegisteredBytes reply;
    // When the answer went out; nullopt once it went out twice, so that nobody can say which copy
    // was heard.
    std::optional<MonoTime> replied_at;
  };
  // The client answers REGISTERED at once: the first round trip, unless something was repeated.
  void SampleRegistration(const Keys& keys, MonoTime now);
  // Seals one small frame to `path`, as an answer.
  template <class Frame>
  bool SendFrame(const Frame& frame, const Path& path, MonoTime now, Egress& egress, Outbox& out);
  // Tells the window before fragment `next`, when that is due and there is room for both.
  void TellWindow(const TransmitQueue::Due& next, Duration window, wire::SpanWriter& frames);
  // What is due by the round trips as they are known now, which may have grown since it was sent.
  std::optional<TransmitQueue::Due> NextDue(MonoTime now);
  void SendOne(TransmitQueue::Due due, MonoTime now, SendContext& context, Outbox& out);

  // What every datagram needs comes first, close together.
  session::Ciphers& ciphers_;
  ConnId id_;
  reliable::TokenBucket pacer_;  // Datagrams.
  reliable::RttEstimator rtt_;
  PathProbe probe_;
  TransmitQueue queue_;
  MonoTime last_heard_{};
  bool reachable_ = false;
  Duration told_window_{0};  // By ACKWINDOW, under the present keys.
  size_t counted_ = 0;       // In AckWindow.
  Duration silent_after_;
  std::unique_ptr<Keys> pending_;
  std::optional<Keys> current_;
  Secret<32> psk_;
  Secret<32> mac_key_;
  Duration longest_first_rtt_;  // A client's repeat comes no sooner.
  uint64_t reg_seq_ = 0;
  reliable::TokenBucket register_bucket_;
};

}  // namespace p2p::relay
