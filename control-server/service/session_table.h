// Live access tokens. Every call looks its caller up here; the store holds the durable copy.
#pragma once

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

// Who a valid token speaks for. Immutable snapshot.
struct Caller {
  TokenRecord token;
  UserId user;
  std::string username;
  bool admin = false;
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
  // Removes every token of the account and returns them.
  std::vector<TokenHash> RemoveAll(UserId user) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes the tokens whose time is over and returns them. O(n): call it now and then, not per
  // call.
  std::vector<TokenHash> RemoveExpired() ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  // The caller of `authorization: Bearer <token>`; null for anything else, unknown or expired.
  CallerPtr FindByHeader(absl::string_view authorization) const ABSL_LOCKS_EXCLUDED(mu_);
  CallerPtr Find(TokenHash token) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const Clock& clock_;
  mutable Mutex mu_;
  absl::flat_hash_map<TokenHash, CallerPtr> by_token_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
