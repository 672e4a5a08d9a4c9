// Introductions from approval to acknowledgement: made, signed, on disk before anybody hears of
// them, sent again at each attach until both parties have them. Hub thread only.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "asio/io_context.hpp"
#include "common/base/clock.h"
#include "common/config/timing.h"
#include "common/crypto/sign.h"
#include "control-server/domain/peer_requests.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

class IntroductionDesk {
 public:
  // `io` is the hub's loop. All collaborators outlive it; the loop runs no more of its handlers
  // once it is destroyed.
  IntroductionDesk(asio::io_context& io, const crypto::SigningKey& introducer, StoreQueue& store,
                   const config::Timing& timing, const Clock& clock)
      : io_(io), introducer_(introducer), store_(store), timing_(timing), clock_(clock) {}

  // Makes the introduction of an approved request. `done(true)` once it is durable, `done(false)`
  // when it cannot be; later, never from inside this call.
  void Issue(const PeerRequest& request, absl::AnyInvocable<void(bool)> done);
  // Those that this party has not acknowledged and that are young enough, oldest first.
  std::vector<IntroductionRecord> UnackedFor(UserId party) const;
  // Null: not durable yet, acknowledged by both, or too old.
  const IntroductionRecord* Find(RequestId id) const;
  // Ignored unless `party` is one of the two.
  void Ack(RequestId id, UserId party);

  // What was on disk at the start; too old ones are left out.
  void Load(const std::vector<IntroductionRecord>& records);
  // Drops what is older than `request_memory`, here and on disk.
  void Forget();

 private:
  wire::Introduction Make(const PeerRequest& request) const;
  void Keep(IntroductionRecord record, MonoTime since);
  void Erase(RequestId id);

  struct Kept {
    IntroductionRecord record;
    MonoTime since;
  };

  asio::io_context& io_;
  const crypto::SigningKey& introducer_;
  StoreQueue& store_;
  const config::Timing timing_;
  const Clock& clock_;
  absl::flat_hash_map<RequestId, Kept> kept_;
  absl::flat_hash_map<UserId, std::set<RequestId>> by_party_;
};

// The parties of an introduction by the object that was signed; nullopt when it cannot be read.
struct IntroducedPair {
  RequestParty requester;
  RequestParty target;
};
std::optional<IntroducedPair> PartiesOf(const IntroductionRecord& record);

}  // namespace p2p::server
