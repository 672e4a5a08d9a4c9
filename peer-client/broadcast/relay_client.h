// A client's session with the relay, without its socket: registration, keys, keep-alive.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/random.h"
#include "common/config/timing.h"
#include "common/reliable/rtt_estimator.h"
#include "common/session/registration.h"
#include "common/session/sealer.h"
#include "common/wire/control_frames.h"
#include "peer-client/broadcast/broadcast_receiver.h"

namespace p2p::client {

// What is to be sent, in order.
using Datagrams = std::vector<Bytes>;

struct RelayClientOptions {
  reliable::PtoLimits pto;
  Duration ping = 15s;              // Until the relay names another interval.
  Duration registration_life = 3s;  // One registration is tried that long.
  Duration unusable_pause = 30s;    // Between registrations once three have failed.
};
RelayClientOptions RelayOptionsFromTiming(const config::Timing& timing);

// One thread. Time comes in; nothing is called back but `have`.
class RelayClient {
 public:
  // `have` names broadcasts that the relay need not send (newest first, at most `max`).
  using Have = std::function<std::vector<BroadcastId>(size_t max)>;
  RelayClient(RelayClientOptions options, Random& random, Have have);

  void Start(ConnId conn_id, Secret<32> psk, MonoTime now);
  // Says CLOSE when there are keys, and forgets them.
  void Stop(Datagrams& out);

  // Takes a datagram from the relay. For DATA: its frames, in `plain` (kMaxFrameBytes), when they
  // are authentic and new; PONG and the like are the caller's to skip.
  struct Received {
    uint64_t packet_no = 0;
    ByteView frames;
  };
  std::optional<Received> OnDatagram(ByteView datagram, MonoTime now, std::span<uint8_t> plain);
  void Poll(MonoTime now, Datagrams& out);
  std::optional<MonoTime> NextDeadline() const;
  // Seals what `write` writes; nothing happens while there are no keys.
  bool Seal(const std::function<void(wire::SpanWriter&)>& write, Datagrams& out);

  UdpState state() const { return state_; }
  // True once after each wish for a fresh socket: a registration that follows a failure uses a new
  // local port, since the old one may be what a middlebox forgot.
  bool TakeSocketWish() { return std::exchange(socket_wish_, false); }
  // Counts key changes: packet numbers of different generations have nothing to do with each other.
  uint64_t key_generation() const { return generation_; }

 private:
  enum class Phase { kIdle, kHello, kCookie, kConfirming, kUp, kPause };
  struct Attempt {
    wire::SessionRandom client_random{};
    uint64_t reg_seq = 0;
    session::SealedBody sealed{};
    Bytes resend;  // The REGISTER of this phase, byte for byte.
    int tries = 0;
    MonoTime ends{};
  };
  struct Keys {
    session::Sealer sealer;
    session::ClientOpener opener;
  };
  void BeginAttempt(MonoTime now);
  void OnAttemptFailed(MonoTime now);
  void OnChallenge(ByteView datagram, MonoTime now);
  void OnRegistered(ByteView datagram, MonoTime now);
  std::optional<Received> OnData(ByteView datagram, MonoTime now, std::span<uint8_t> plain);
  void PollAttempt(MonoTime now, Datagrams& out);
  void PollPing(MonoTime now, Datagrams& out);
  void SendPing(Datagrams& out);
  Duration Spread(Duration d);

  RelayClientOptions options_;
  Random& random_;
  Have have_;
  ConnId conn_id_;
  Secret<32> psk_;
  Phase phase_ = Phase::kIdle;
  UdpState state_ = UdpState::kOff;
  bool socket_wish_ = false;
  uint64_t reg_seq_ = 0;
  uint64_t generation_ = 0;
  int failures_ = 0;
  int lost_pings_ = 0;
  bool heard_since_ping_ = true;
  Duration ping_{};
  MonoTime next_{};  // When Poll has something to do, but while idle.
  Attempt attempt_;
  reliable::RttEstimator pto_;
  session::Ciphers ciphers_;
  std::unique_ptr<Keys> keys_;
};

}  // namespace p2p::client
