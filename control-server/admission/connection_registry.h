// The connections of this process, counted and closed from outside gRPC, which tells nobody when a
// connection ends. Sockets are watched by number in an epoll set of our own and recognised by
// cookie.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/counters.h"
#include "common/base/mutex.h"
#include "common/net/fd.h"
#include "control-server/admission/connection_control.h"
#include "control-server/admission/connection_table.h"

namespace p2p::server {

enum class Admission : uint8_t {
  kServed,        // Accepted with a place.
  kFull,          // Accepted above the cap, to hear "full".
  kRefused,       // Accepted and closed at once: not even such a place was left.
  kNoDescriptor,  // The same, because the process was out of descriptors.
  kAcceptFailed,  // Died before accept, or the kernel was short of memory.
  kClosed,        // Shut down by us: a deadline or on request.
  kCloseTooLate,  // To be shut down, but gone already.
  kSourceFull,    // Refused: too many of one source are not logged in.
  kMadeRoom,      // Shut down because too many in all were not.
  kTooManyBytes,  // Reset.
  kFellSilent,    // Shut down: said nothing for longer than promised.
  kGone,          // Records whose socket was found closed.
  kCount
};
using AdmissionCounters = Counters<Admission>;

struct RegistryTiming {
  Duration sweep;           // Every record is compared with its socket this often.
  Duration suspect = 50ms;  // And those that saw an event, this often.
  Duration late = 10s;      // Who promised to say something may be so late with it.
  // Bytes of whoever is logged in are counted this often; of the others with each arrival too.
  Duration measure = 50ms;
};

class ConnectionRegistry final : public ConnectionControl {
 public:
  static absl::StatusOr<std::unique_ptr<ConnectionRegistry>> Create(ConnectionLimits limits,
                                                                    ConnectionDeadlines deadlines,
                                                                    RegistryTiming timing,
                                                                    const Clock& clock);

  // ConnectionControl. Any thread.
  void MarkHello(const net::SocketAddress& peer) override ABSL_LOCKS_EXCLUDED(mu_);
  void MarkAuthenticated(const net::SocketAddress& peer) override ABSL_LOCKS_EXCLUDED(mu_);
  void MarkRelay(const net::SocketAddress& peer) override ABSL_LOCKS_EXCLUDED(mu_);
  void ExpectEvery(const net::SocketAddress& peer, uint32_t ms) override ABSL_LOCKS_EXCLUDED(mu_);
  void Close(const net::SocketAddress& peer, Duration delay) override ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<net::SocketAddress> LocalAddress(const net::SocketAddress& peer) const override
      ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<std::string> Refusal(const net::SocketAddress& peer) const override
      ABSL_LOCKS_EXCLUDED(mu_);
  void PauseDeadline(const net::SocketAddress& peer) override ABSL_LOCKS_EXCLUDED(mu_);
  void ResumeDeadline(const net::SocketAddress& peer) override ABSL_LOCKS_EXCLUDED(mu_);
  void Credit(const net::SocketAddress& peer, uint64_t bytes) override ABSL_LOCKS_EXCLUDED(mu_);

  // The rest: the accept loop's thread only.

  // Takes a place for the socket and watches it; call before anybody else gets the descriptor.
  // nullopt: no place (after a sweep), or too many of its source are not logged in; the caller
  // closes.
  std::optional<Place> Admit(int fd, const net::SocketAddress& peer,
                             const net::SocketAddress& local) ABSL_LOCKS_EXCLUDED(mu_);
  // Readable when OnEvents has something to do.
  int poll_fd() const { return epoll_.get(); }
  void OnEvents() ABSL_LOCKS_EXCLUDED(mu_);
  // Shuts down what is due and removes what is gone. Returns when to call it next.
  MonoTime Tick() ABSL_LOCKS_EXCLUDED(mu_);

  // Compares every record with its socket, so that counts are exact. Any thread.
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);
  struct Figures {
    size_t served = 0;
    size_t full = 0;
    size_t relays = 0;
    size_t authenticated = 0;
    size_t unauthenticated = 0;
  };
  Figures figures() const ABSL_LOCKS_EXCLUDED(mu_);
  AdmissionCounters& counters() { return counters_; }

  // How a connection is shut down; replaced by a test that shows why the plain way is wrong.
  using ShutdownFunction = bool (*)(SocketName);
  void set_shutdown_for_test(ShutdownFunction function) { shutdown_ = function; }

 private:
  struct Suspect {
    SocketName name;
    int looks_left;  // Afterwards only the sweep looks at it.
  };

  ConnectionRegistry(ConnectionLimits limits, ConnectionDeadlines deadlines, RegistryTiming timing,
                     const Clock& clock, net::UniqueFd epoll, net::UniqueFd wake);
  // Takes the place, or says which counter the refusal belongs to.
  std::optional<Place> TakePlace(SocketName name, const net::SocketAddress& peer,
                                 const net::SocketAddress& local, Admission& refusal)
      ABSL_LOCKS_EXCLUDED(mu_);
  void EndDue(MonoTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void EndSilent(MonoTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void MakeRoom(MonoTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void MeasureSome(MonoTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void Measure(const std::vector<SocketName>& names, MonoTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void SuspectLocked(SocketName name, MonoTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void IgnoreInput(SocketName name);
  void RemoveClosedNumbers() ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<SocketName> AllNames() const ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(const std::vector<SocketName>& gone) ABSL_LOCKS_EXCLUDED(mu_);  // Ends a sweep.
  void LookAtSuspectsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake();

  const RegistryTiming timing_;
  const Clock& clock_;
  const net::UniqueFd epoll_;
  const net::UniqueFd wake_;  // An eventfd in epoll_ with data 0, which is no cookie.
  AdmissionCounters counters_;
  SeededRandom random_;    // The loop's thread only. Whom it picks is nobody's secret.
  MonoTime next_measure_;  // The same.
  uint32_t sweeps_ = 0;    // The same.
  ShutdownFunction shutdown_;

  mutable Mutex mu_;
  ConnectionTable table_ ABSL_GUARDED_BY(mu_);
  std::vector<Suspect> suspects_ ABSL_GUARDED_BY(mu_);
  MonoTime next_sweep_ ABSL_GUARDED_BY(mu_);
  MonoTime last_sweep_ ABSL_GUARDED_BY(mu_);
  MonoTime next_look_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
