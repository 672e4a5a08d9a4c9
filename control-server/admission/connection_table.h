// Every connection the process holds, with its place, its progress and its deadline. Decides;
// touches no socket and reads no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/net/address.h"

namespace p2p::server {

// Names a socket for as long as it lives and no other one afterwards: the kernel never reuses a
// cookie. The number is only where to look: gRPC owns the descriptor and may close it at any time.
struct SocketName {
  int fd = -1;
  uint64_t cookie = 0;
  bool operator==(const SocketName&) const = default;
};

enum class Place : uint8_t {
  kServed,  // Within the cap.
  kFull,    // Above it: hears "full", then is closed.
  kRelay,   // The relay's: in nobody's way, whatever the cap.
};

// What a connection may send. It is measured from outside: a burst between two looks passes.
struct ByteLimits {
  uint64_t before_login = 64 * 1024;
  // Afterwards, besides what calls are credited with.
  uint64_t burst = 1024 * 1024;
  uint64_t per_second = 16 * 1024;
};

struct ConnectionLimits {
  uint32_t served = 0;
  uint32_t full = 0;
  // Without a log-in: of one source no more are accepted, of all no more are left alone.
  uint32_t unauthenticated = UINT32_MAX;
  ByteLimits bytes = {};
};

struct ConnectionDeadlines {
  Duration hello;  // From accept to a valid RPC.
  // From there to a log-in. In a crowd, and for `hello` after it, as short as `hello`.
  Duration authentication;
  Duration young = 5s;  // Until then nobody is dropped to make room.
};

// One thread at a time.
class ConnectionTable {
 public:
  ConnectionTable(ConnectionLimits limits, ConnectionDeadlines deadlines)
      : limits_(limits), deadlines_(deadlines) {}

  // The best place that is free; nullopt: none.
  std::optional<Place> FreePlace() const;
  // The source of this address holds as many unauthenticated connections as it may.
  bool SourceIsFull(const net::IpAddress& address) const;
  // For a newcomer from there: a source that is full gets none.
  std::optional<Place> FreePlaceFor(const net::IpAddress& address) const;

  // Records a connection that was just accepted. An older record with the same number is dead by
  // that and goes; one with the same peer stays until it is found dead, but the newest has the
  // name.
  void Add(SocketName name, const net::SocketAddress& peer, const net::SocketAddress& local,
           Place place, MonoTime now);
  // The socket is gone. Ignores unknown cookies.
  void Remove(uint64_t cookie);

  // Progress of the newest connection of `peer`; false when there is none.
  bool MarkHello(const net::SocketAddress& peer, MonoTime now);
  bool MarkAuthenticated(const net::SocketAddress& peer);
  // The relay's connection: gives its place, of whatever kind, back, and has no deadline.
  bool MarkRelay(const net::SocketAddress& peer);
  bool Pause(const net::SocketAddress& peer, MonoTime now);
  bool Resume(const net::SocketAddress& peer, MonoTime now);
  // To be closed at `when`, or at its deadline if that is earlier.
  bool CloseAt(const net::SocketAddress& peer, MonoTime when);

  // The client of `peer` promised to send something, so that it is never silent for so long.
  bool ExpectWithin(const net::SocketAddress& peer, Duration silence, MonoTime now);
  // Who has to be asked how long he has been silent. Tell Heard; each is named once until then.
  std::vector<SocketName> TakeQuiet(MonoTime now);
  // It has been silent for so long. True: longer than promised, shut it down; said once.
  bool Heard(uint64_t cookie, Duration silent_for, MonoTime now);

  std::optional<Place> PlaceOf(const net::SocketAddress& peer) const;
  std::optional<net::SocketAddress> LocalOf(const net::SocketAddress& peer) const;

  // The connections whose time is over: shut them down. Each is named once; its record stays until
  // Remove, since the place is taken until the socket is closed.
  std::vector<SocketName> TakeDue(MonoTime now);
  std::optional<MonoTime> NextDue() const;

  // A connection to drop while more are unauthenticated than the limit: of those that said nothing
  // the oldest, then any of the others. nullopt: there are few enough, or all are young or wait for
  // us. Call again until then; named once, like those of TakeDue.
  std::optional<SocketName> TakeExcess(MonoTime now, Random& random);

  // Whose bytes to measure now: everybody who is unauthenticated or was busy at the last look, and
  // `slice` of the others, in turn. Nobody who is on the way out, and not the relay.
  std::vector<SocketName> ToMeasure(size_t slice);
  // It has received so much since it was accepted. True: too much, shut it down; said once.
  bool Measured(uint64_t cookie, uint64_t received, MonoTime now);
  // A call of this peer needed so many bytes.
  void Credit(const net::SocketAddress& peer, uint64_t bytes);

  std::optional<SocketName> Find(uint64_t cookie) const;
  // It has a record and has not logged in.
  bool IsUnproven(uint64_t cookie) const { return unproven_.contains(cookie); }
  std::vector<SocketName> All() const;
  size_t served() const { return served_; }
  size_t full() const { return full_; }
  size_t relays() const { return relays_; }
  size_t authenticated() const { return authenticated_; }
  // Within the cap, and nobody has asked for their end.
  size_t unauthenticated() const { return silent_.size() + greeted_.size(); }
  const ConnectionLimits& limits() const { return limits_; }

 private:
  enum class Progress : uint8_t { kSilent, kHello, kAuthenticated };
  struct Connection {
    SocketName name;
    net::SocketAddress peer;
    net::SocketAddress local;
    Place place = Place::kServed;
    Progress progress = Progress::kSilent;
    bool closing = false;  // Somebody asked for it: progress does not save it any more.
    uint32_t pauses = 0;
    MonoTime paused_at;
    std::optional<MonoTime> due;  // Mirrors its entry in due_.
    Duration silence{0};          // Promised to be shorter; 0: nothing was promised.
    std::optional<MonoTime> ask;  // Mirrors its entry in quiet_.
    MonoTime accepted;
    size_t greeted_index = 0;  // Its place in greeted_.
    uint64_t received = 0;     // At the last look, at measured_at.
    MonoTime measured_at;
    int64_t allowance = 0;  // Bytes it may send, once it is authenticated.
  };
  // Faster than this is busy: looked at each time.
  static constexpr uint64_t kBusyBytesPerSecond = 64 * 1024;

  Connection* ByPeer(const net::SocketAddress& peer);
  const Connection* ByPeer(const net::SocketAddress& peer) const;
  void SetDue(Connection& connection, std::optional<MonoTime> when);
  void SetAsk(Connection& connection, std::optional<MonoTime> when);
  size_t& Taken(Place place);
  // A crowd: as many are unauthenticated as may be. Those of them who said Hello get less time.
  void NoteCrowd(MonoTime now);
  MonoTime TimeToLogIn(MonoTime now) const;
  // Places among those who could be dropped to make room.
  void EnterGreeted(Connection& connection);
  void LeaveUnauthenticated(Connection& connection);
  void ForgetSource(const Connection& connection);
  void SetClosing(Connection& connection);
  SocketName Drop(Connection& connection);

  const ConnectionLimits limits_;
  const ConnectionDeadlines deadlines_;
  absl::flat_hash_map<uint64_t, Connection> by_cookie_;
  absl::flat_hash_map<int, uint64_t> by_fd_;
  absl::flat_hash_map<net::SocketAddress, uint64_t> by_peer_;
  std::set<std::pair<MonoTime, uint64_t>> due_;
  std::set<std::pair<MonoTime, uint64_t>> quiet_;
  size_t served_ = 0;
  size_t full_ = 0;
  size_t relays_ = 0;
  size_t authenticated_ = 0;
  // Unauthenticated, within the cap, not closing: who said nothing, by age; and who did.
  std::set<std::pair<MonoTime, uint64_t>> silent_;
  std::vector<uint64_t> greeted_;
  MonoTime crowded_until_{};
  absl::flat_hash_map<net::IpAddress, uint32_t> by_source_;  // Unauthenticated ones.
  absl::flat_hash_set<uint64_t> unproven_;                   // Unauthenticated, any place.
  std::set<uint64_t> proven_;
  absl::flat_hash_set<uint64_t> busy_;  // Among proven_.
  uint64_t measured_last_ = 0;          // Where the last slice of proven_ ended.
};

}  // namespace p2p::server
