// Where the two ends of a conversation run. Left to the scheduler, two threads that only wake each
// other end up on one core or on two, and a round trip takes 20 or 60 µs by that alone.
#pragma once

#include <sched.h>

#include "common/base/check.h"

namespace p2p::bench {

// The calling thread runs on the first or the second core that the process may use.
inline void UseCore(int index) {
  cpu_set_t allowed;
  P2P_CHECK(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || index-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    P2P_CHECK(::sched_setaffinity(0, sizeof one, &one) == 0);
    return;
  }
}

}  // namespace p2p::bench
