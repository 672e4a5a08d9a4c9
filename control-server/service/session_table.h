// Live access tokens. Every call looks its caller up here; the store holds the durable copy.
//
// A token's end is reckoned once, when it is added, and then kept on the monotonic clock: whoever
// sets the wall clock ends no session and revives none. After a restart the wall clock counts
// again, but no token gets a longer life than it was handed out with.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "control-server/domain/records.h"

namespace p2p::server {

// Who a valid token speaks for. Immutable snapshot, but for `unused`.
struct Caller {
  TokenRecord token;
  UserId user;
  std::string username;
  bool admin = false;
  // True until a renewed token is presented for the first time, which is to be remembered
  // (first_use.h). Not known across a restart: then true.
  mutable std::atomic<bool> unused{false};
  TokenHash session() const { return SessionOf(token); }
  bool has_device() const { return token.device_key != std::array<uint8_t, 32>{}; }
};
using CallerPtr = std::shared_ptr<const Caller>;

// The stored form of an access token (32 random bytes, in metadata as unpadded base64url).
TokenHash HashToken(ByteView token);

// Thread-safe; never blocks on the disk; calls nobody.
class SessionTable {
 public:
  explicit SessionTable(const Clock& clock) : clock_(clock) {}
  void Add(CallerPtr caller) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(TokenHash token) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes every token of the session.
  void RemoveSession(TokenHash session) ABSL_LOCKS_EXCLUDED(mu_);
  // Of the session, those of generation `from` and later, or before `below`.
  void RemoveFrom(TokenHash session, uint32_t from) ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveBelow(TokenHash session, uint32_t below) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes every token of the account and returns its sessions. O(n).
  std::vector<TokenHash> RemoveAll(UserId user) ABSL_LOCKS_EXCLUDED(mu_);
  // The same, but for the session `kept`.
  std::vector<TokenHash> RemoveOthers(UserId user, TokenHash kept) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes the tokens whose time is over and returns them. O(n): call it now and then, not per
  // call.
  std::vector<TokenRecord> RemoveExpired() ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  // Tokens taken out since the start. While it stays the same no session has ended, but by time.
  uint64_t removed() const { return removed_.load(std::memory_order_acquire); }
  // Some token of the session is valid.
  bool Lives(TokenHash session) const ABSL_LOCKS_EXCLUDED(mu_);
  // The caller of `authorization: Bearer <token>`; null for anything else, unknown or expired.
  CallerPtr FindByHeader(absl::string_view authorization) const ABSL_LOCKS_EXCLUDED(mu_);
  CallerPtr Find(TokenHash token) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Live {
    CallerPtr caller;
    MonoTime until;
  };
  using ByToken = absl::flat_hash_map<TokenHash, Live>;

  // Forgets the token and hands it out, to be destroyed outside the lock.
  CallerPtr Take(TokenHash token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  template <class Predicate>
  void RemoveOf(TokenHash session, Predicate gone) ABSL_LOCKS_EXCLUDED(mu_);
  // `gone` gets a Live.
  template <class Predicate>
  std::vector<CallerPtr> TakeWhere(Predicate gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Clock& clock_;
  std::atomic<uint64_t> removed_{0};
  mutable Mutex mu_;
  ByToken by_token_ ABSL_GUARDED_BY(mu_);
  // The tokens of each session: one, and two for the moment of a renewal.
  absl::flat_hash_map<TokenHash, std::vector<TokenHash>> by_session_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
