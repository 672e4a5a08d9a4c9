// What an engine is set to, and what it counts.
#pragma once

#include "common/base/counters.h"
#include "common/config/timing.h"
#include "common/reliable/rtt_estimator.h"

namespace p2p::relay {

struct RelayOptions {
  reliable::PtoLimits pto;
  Duration ping = 15s;  // How often clients speak at least.
  Duration cookie_rotation = 120s;
  Duration retention = 30min;              // Told to clients.
  double client_rate = 1000;               // Datagrams a second to one client …
  double client_burst = 10;                // … and at once.
  double egress_bytes_per_second = 125e6;  // To all together, answers too; always holds.
  double egress_burst_bytes = 4e6;
  double register_source_rate = 20;  // Unproved REGISTERs of one source, and of one session.
  double register_source_burst = 5;
  double register_total_rate = 2000;  // REGISTERs worth an answer.
  size_t max_sessions = 20'000;
  size_t max_queued_per_session = 4096;
  size_t max_broadcasts = 4096;
};

inline RelayOptions OptionsFromTiming(const config::Timing& timing) {
  RelayOptions out;
  out.pto = {.initial = timing.pto_initial, .min = timing.pto_min, .max = timing.pto_max};
  out.ping = timing.relay_ping;
  out.cookie_rotation = timing.cookie_rotation;
  out.retention = timing.retention;
  return out;
}

enum class RelayCount {
  kDatagramsIn,
  kDatagramsOut,
  kFragmentsOut,  // First transmissions and repeats.
  kFragmentsRepeated,
  kChallenges,
  kRegistered,  // Sessions that confirmed their keys.
  kDelivered,
  // Dropped, without an answer.
  kMalformed,  // Size, version, kind or fields.
  kUnknownSession,
  kBadMac,
  kBadCookie,
  kBadRegisterBody,
  kOldRegister,  // reg_seq not newer.
  kRegisterLimited,
  kNoKeys,  // DATA before registration.
  kBadTag,
  kBadEpoch,
  kReplayed,
  kBadFrame,
  kReplyDropped,  // No room in the batch or under the cap; the peer asks again.
  kOtherSource,   // Valid, but not from the session's address; accepted, the address stays.
  // Sessions whose client has a new address.
  kPathChallenges,
  kMoved,
  // Orders that did not fit.
  kSessionsFull,
  kBroadcastsFull,
  kQueueFull,
  kCount,
};
using RelayCounters = Counters<RelayCount>;

}  // namespace p2p::relay
