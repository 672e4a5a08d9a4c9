// Presence as the program runs it: the published list, the memory of addresses with its copy on
// disk, and what watchers are told.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/config/timing.h"
#include "control-server/domain/address_memory.h"
#include "control-server/domain/presence.h"
#include "control-server/domain/presence_changes.h"
#include "control-server/domain/resolve.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

// Hub thread only, except Snapshot.
class PresenceBoard {
 public:
  // "Just started" counts from construction.
  PresenceBoard(const config::Timing& timing, const Clock& clock, StoreQueue& store);

  // The list as it was at most kPublishEvery ago. Thread-safe; never null.
  std::shared_ptr<const PresenceSnapshot> Snapshot() const ABSL_LOCKS_EXCLUDED(mu_);

  void Load(const std::vector<AddressRecord>& addresses);

  Presence::AttachResult Attach(const ActiveUser& client, ConnId conn, TokenHash token,
                                bool take_over);
  // True when the user left the list by it.
  bool Detach(UserId user, ConnId conn, Presence::End end);
  bool Remove(UserId user);
  // Removes and returns those whose grace is over.
  std::vector<ActiveUser> ExpireGrace();
  // The listed user who attached last in this session; nullopt when there is none. `token` here and
  // in Attach is the session's first one (SessionOf).
  std::optional<UserId> UserOf(TokenHash token) const;

  const Presence& presence() const { return presence_; }
  Resolution Resolve(const Target& target, const Asker& asker) const;
  std::optional<WallTime> LastActive(UserId user) const;

  // What changed, at most once a second.
  std::optional<PresenceChanges::Batch> TakeBatch();
  // Publishes, persists, refreshes and forgets, each when it is due.
  void Tick();
  std::optional<MonoTime> NextDeadline() const;

 private:
  // A list of up to so many is copied at every change; a longer one at most every kPublishEvery.
  static constexpr size_t kPublishAtOnce = 512;
  static constexpr Duration kPublishEvery = 5ms;
  static constexpr Duration kPersistEvery = 100ms;
  static constexpr Duration kBatchEvery = 1s;

  void SetToken(UserId user, TokenHash token);
  void DropToken(UserId user);
  void Changed();
  void Publish(MonoTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void Touch(const ActiveUser& client);
  void Persist(MonoTime now);
  void Refresh(MonoTime now);
  Duration RefreshEvery() const { return timing_.address_memory / 10; }

  const config::Timing timing_;
  const Clock& clock_;
  StoreQueue& store_;
  const MonoTime started_;

  Presence presence_;
  AddressMemory memory_;
  PresenceChanges changes_;
  absl::flat_hash_map<UserId, TokenHash> tokens_;  // Of everybody listed.
  absl::flat_hash_map<TokenHash, UserId> users_;   // The inverse.

  bool dirty_ = false;
  MonoTime published_at_;
  MonoTime persisted_at_;
  MonoTime refreshed_at_;
  MonoTime batch_at_;

  mutable Mutex mu_;
  std::shared_ptr<const PresenceSnapshot> snapshot_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
