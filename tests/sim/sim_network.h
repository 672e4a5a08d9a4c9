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
#include "tests/tools/impairment.h"

namespace p2p::sim {

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
  // Somebody saw to it that nothing gets through.
  bool IsBlocked(const net::SocketAddress& from, const net::SocketAddress& to) const;
  void Deliver(const net::SocketAddress& from, const net::SocketAddress& to, Bytes datagram);

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
  std::map<std::pair<net::SocketAddress, net::SocketAddress>, ImpairedLink> links_;
};

}  // namespace p2p::sim
