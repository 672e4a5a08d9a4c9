// A bad network between real UDP sockets: stands between clients and a server like a NAT, with one
// outside port for each client, and treats every datagram as sim::ImpairedLink decides.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/net/address.h"
#include "common/net/fd.h"
#include "tests/tools/impairment.h"

namespace p2p::sim {

class UdpProxy {
 public:
  // Clients send to address(); what gets through goes on to `target`. Owns a thread.
  static absl::StatusOr<std::unique_ptr<UdpProxy>> Start(const net::SocketAddress& listen,
                                                         const net::SocketAddress& target,
                                                         const Impairment& impairment,
                                                         uint64_t seed);
  ~UdpProxy();

  const net::SocketAddress& address() const { return address_; }
  // From any thread; in force from the next datagram on. For both ways, or for each by itself: to
  // the target and to the clients.
  void Set(const Impairment& both) { Set(both, both); }
  void Set(const Impairment& up, const Impairment& down) ABSL_LOCKS_EXCLUDED(mu_);
  // Every client gets a new outside port, on `ip`; the old ones are dead.
  void Rebind(const net::IpAddress& ip) ABSL_LOCKS_EXCLUDED(mu_);

  // From any thread: what came in one way, and in how many copies it went or will go on.
  struct Traffic {
    std::atomic<uint64_t> came{0};
    std::atomic<uint64_t> went{0};
    double lost() const {
      return came == 0 ? 0 : 1 - static_cast<double>(went) / static_cast<double>(came);
    }
  };
  const Traffic& up() const { return up_; }
  const Traffic& down() const { return down_; }

 private:
  struct Client {
    net::SocketAddress inside;
    net::UniqueFd outside;
    ImpairedLink up;
    ImpairedLink down;
  };
  struct Delayed {
    size_t client;
    bool up;
    Bytes bytes;
  };
  UdpProxy(net::UniqueFd front, net::SocketAddress address, net::SocketAddress target,
           const Impairment& impairment, uint64_t seed);
  void Run();
  void TakeWishes() ABSL_LOCKS_EXCLUDED(mu_);
  void ReceiveFromClients();
  void ReceiveFor(size_t client);
  void Pass(size_t client, bool up, ByteView datagram);
  void SendDue();
  void Send(size_t client, bool up, ByteView bytes);
  // The client that sends from there; a new one gets an outside socket.
  size_t ClientAt(const net::SocketAddress& inside);
  void OpenOutside(size_t client);
  int TimeoutMs() const;

  net::UniqueFd front_;
  net::UniqueFd epoll_;
  net::UniqueFd wake_;
  net::SocketAddress address_;
  net::SocketAddress target_;
  net::IpAddress outside_ip_;
  SeededRandom random_;
  struct Ways {
    Impairment up, down;
  };
  Ways impairment_;
  Traffic up_, down_;
  std::vector<Client> clients_;
  std::map<net::SocketAddress, size_t> by_inside_;
  std::multimap<MonoTime, Delayed> delayed_;
  Mutex mu_;
  std::optional<Ways> wanted_ ABSL_GUARDED_BY(mu_);
  std::optional<net::IpAddress> rebind_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace p2p::sim
