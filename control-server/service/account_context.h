// What the account calls work with. Every member outlives the services; all are thread-safe.
#pragma once

#include <array>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/config/timing.h"
#include "common/crypto/sign.h"
#include "control-server/admission/connection_control.h"
#include "control-server/service/hash_pool.h"
#include "control-server/service/hub_view.h"
#include "control-server/service/rate_gate.h"
#include "control-server/service/session_table.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

// An account may hold this many sessions; the oldest goes when there is one more.
inline constexpr size_t kMaxTokensPerAccount = 8;

// How this server presents itself.
struct ServerProfile {
  std::string name = "PeerToPeer Broadcast";
  std::string greeting = "Welcome. Please log in or sign up.";
  bool signup_open = true;
  bool allow_lookalikes = false;  // At sign-up, names that look like others.
  crypto::PublicKey introducer_key{};
  crypto::PublicKey broadcast_key{};
  std::array<uint8_t, 32> key_digest{};  // SHA-256 of the TLS key, as in the fingerprint.
};

struct AccountContext {
  const Clock& clock;
  Random& random;
  SessionTable& sessions;
  StoreQueue& store;
  HashPool& hashes;
  RateGate& rates;
  ConnectionControl& connections;
  const PenaltyView& penalties;
  SessionEnder& ender;
  const ServerProfile& profile;
  const config::Timing& timing;
};

}  // namespace p2p::server
