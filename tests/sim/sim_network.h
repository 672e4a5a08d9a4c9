// A network in virtual time: seeded, so that every run repeats. Moves datagrams between pure
// endpoints and loses, delays, reorders, doubles and damages them on the way.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/net/address.h"

namespace p2p::sim {

// What happens to a datagram, each way and independently but for bursts.
struct Impairment {
  double loss = 0;         // Each datagram by itself.
  double burst_start = 0;  // Chance per datagram that a burst of losses begins …
  double burst_end = 0.3;  // … and that it ends.
  double duplicate = 0;
  double reorder = 0;   // Delayed by reorder_delay, so that later ones overtake it.
  double corrupt = 0;   // One random bit is flipped.
  double truncate = 0;  // Cut off at a random length.
  // Bytes a second from one address to another, with a queue of max_queue; 0: no limit.
  double bandwidth = 0;
  Duration max_queue = 200ms;
  Duration delay = 10ms;
  Duration jitter = 2ms;
  Duration reorder_delay = 30ms;
};

class SimNetwork {
 public:
  using Handler = std::function<void(const net::SocketAddress& from, ByteView datagram)>;
  explicit SimNetwork(uint64_t seed, Impairment impairment = {})
      : random_(seed), impairment_(impairment) {}

  MonoTime now() const { return now_; }
  // Wall clock of everybody, in step with now().
  WallTime wall() const;
  void SetImpairment(const Impairment& impairment) { impairment_ = impairment; }

  void Bind(const net::SocketAddress& at, Handler handler) { bound_[at] = std::move(handler); }
  void Unbind(const net::SocketAddress& at) { bound_.erase(at); }
  // Nothing to or from this address gets through, silently; or nothing from it, or nothing to it.
  enum class Way { kBoth, kFrom, kTo };
  void SetBlackhole(const net::SocketAddress& at, bool on, Way way = Way::kBoth);
  // No datagram of any port of this host gets through, as with a firewall that blocks UDP.
  void BlockHost(const net::IpAddress& host) { blocked_hosts_.insert(host); }
  // As a NAT does: what `inside` sends comes from `outside` from now on, what is sent there reaches
  // `inside`, and the outside address it had before is dead.
  void SetOutside(const net::SocketAddress& inside, const net::SocketAddress& outside);
  void Send(const net::SocketAddress& from, const net::SocketAddress& to, ByteView datagram);
  // Runs `action` at `when`, or now if that is past.
  void At(MonoTime when, std::function<void()> action);
  // Carries out everything up to `end` in order of time, and stops the clock there.
  void RunUntil(MonoTime end);
  void RunFor(Duration d) { RunUntil(now_ + d); }

  uint64_t sent() const { return sent_; }

 private:
  bool Lose(const net::SocketAddress& from, const net::SocketAddress& to);
  // When the last byte is through the narrowest place; nullopt: the queue before it is full.
  std::optional<Duration> Squeeze(const net::SocketAddress& from, const net::SocketAddress& to,
                                  size_t bytes);
  void Deliver(const net::SocketAddress& from, const net::SocketAddress& to, Bytes datagram);
  bool Chance(double p) { return p > 0 && random_.Unit() < p; }

  struct Event {
    std::function<void()> action;
  };
  SeededRandom random_;
  Impairment impairment_;
  MonoTime now_{1h};
  uint64_t sent_ = 0;
  uint64_t next_order_ = 0;
  std::map<std::pair<MonoTime, uint64_t>, Event> events_;  // Ties in the order of scheduling.
  std::map<net::SocketAddress, Handler> bound_;
  std::set<net::SocketAddress> mute_;  // Nothing from them gets through …
  std::set<net::SocketAddress> deaf_;  // … or to them.
  std::set<net::IpAddress> blocked_hosts_;
  std::map<net::SocketAddress, net::SocketAddress> outside_;
  std::map<net::SocketAddress, net::SocketAddress> inside_;
  std::map<std::pair<net::SocketAddress, net::SocketAddress>, MonoTime> busy_until_;
  std::map<std::pair<net::SocketAddress, net::SocketAddress>, bool> in_burst_;
};

}  // namespace p2p::sim
