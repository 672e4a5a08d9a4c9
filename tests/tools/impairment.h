// What a bad network does to one datagram, decided by a seeded source: for the simulator in virtual
// time and for the proxy on real sockets.
#pragma once

#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"

namespace p2p::sim {

// Each way by itself. Chances are in [0, 1].
struct Impairment {
  double loss = 0;         // Each datagram by itself.
  double burst_start = 0;  // Chance per datagram that a burst of losses begins …
  double burst_end = 0.3;  // … and that it ends.
  int longest_burst = 0;   // After so many losses in a row one gets through; 0: no limit.
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

// A share of losses, in bursts of 1 to `longest` in a row, and without delay.
Impairment LossInBursts(double share, int longest);

// One direction between two addresses.
class ImpairedLink {
 public:
  struct Copy {
    Duration delay;
    Bytes bytes;
  };
  // What comes out at the other end, and when: nothing, once or twice.
  std::vector<Copy> Pass(const Impairment& impairment, ByteView datagram, MonoTime now,
                         Random& random);

 private:
  bool Lose(const Impairment& impairment, Random& random);
  // When the last byte is through the narrowest place; nullopt: the queue before it is full.
  std::optional<Duration> Squeeze(const Impairment& impairment, size_t bytes, MonoTime now);

  bool in_burst_ = false;
  int lost_in_a_row_ = 0;
  MonoTime busy_until_{};
};

}  // namespace p2p::sim
