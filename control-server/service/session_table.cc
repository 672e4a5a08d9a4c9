#include "control-server/service/session_table.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/crypto/hash.h"

namespace p2p::server {
namespace {

constexpr size_t kTokenSize = 32;
constexpr absl::string_view kScheme = "Bearer ";

}  // namespace

TokenHash HashToken(ByteView token) { return TokenHash{crypto::Sha256(token)}; }

void SessionTable::Add(CallerPtr caller) {
  const TokenHash hash = caller->token.hash;
  CallerPtr replaced;  // Destroyed outside the lock.
  const MutexLock lock(mu_);
  replaced = std::exchange(by_token_[hash], std::move(caller));
}

void SessionTable::Remove(TokenHash token) {
  CallerPtr removed;
  const MutexLock lock(mu_);
  const auto it = by_token_.find(token);
  if (it == by_token_.end()) return;
  removed = std::move(it->second);
  by_token_.erase(it);
}

std::vector<TokenHash> SessionTable::RemoveAll(UserId user) {
  std::vector<TokenHash> removed;
  const MutexLock lock(mu_);
  for (auto it = by_token_.begin(); it != by_token_.end();) {
    const auto current = it++;
    if (current->second->user != user) continue;
    removed.push_back(current->first);
    by_token_.erase(current);
  }
  return removed;
}

std::vector<TokenHash> SessionTable::RemoveExpired() {
  const WallTime now = clock_.Wall();
  std::vector<TokenHash> removed;
  const MutexLock lock(mu_);
  for (auto it = by_token_.begin(); it != by_token_.end();) {
    const auto current = it++;
    if (now < current->second->token.expires_at) continue;
    removed.push_back(current->first);
    by_token_.erase(current);
  }
  return removed;
}

size_t SessionTable::size() const {
  const MutexLock lock(mu_);
  return by_token_.size();
}

CallerPtr SessionTable::FindByHeader(absl::string_view authorization) const {
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return nullptr;
  const auto token = Base64UrlDecode(authorization.substr(kScheme.size()));
  if (!token || token->size() != kTokenSize) return nullptr;
  return Find(HashToken(*token));
}

CallerPtr SessionTable::Find(TokenHash token) const {
  CallerPtr caller;
  {
    const MutexLock lock(mu_);
    const auto it = by_token_.find(token);
    if (it == by_token_.end()) return nullptr;
    caller = it->second;
  }
  return clock_.Wall() < caller->token.expires_at ? caller : nullptr;
}

}  // namespace p2p::server
