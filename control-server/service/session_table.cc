#include "control-server/service/session_table.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/crypto/hash.h"

namespace p2p::server {
namespace {

constexpr size_t kTokenSize = 32;
constexpr absl::string_view kScheme = "Bearer ";

// How much longer the token lives by the wall clock, at most the life it was handed out with.
Duration LifeLeft(const TokenRecord& token, WallTime now) {
  // In milliseconds until both ends are known to be near: what is on the disk may be anything.
  constexpr WallTime::duration kLongest = std::chrono::hours(24 * 365);
  const auto whole = std::min(token.expires_at - token.issued_at, kLongest);
  return std::clamp(token.expires_at - now, WallTime::duration::zero(),
                    std::max(whole, WallTime::duration::zero()));
}

}  // namespace

TokenHash HashToken(ByteView token) { return TokenHash{crypto::Sha256(token)}; }

void SessionTable::Add(CallerPtr caller) {
  const TokenHash hash = caller->token.hash;
  const MonoTime until = clock_.Mono() + LifeLeft(caller->token, clock_.Wall());
  CallerPtr replaced;
  const MutexLock lock(mu_);
  replaced = Take(hash);
  by_session_[caller->session()].push_back(hash);
  by_token_[hash] = Live{std::move(caller), until};
}

CallerPtr SessionTable::Take(TokenHash token) {
  const auto it = by_token_.find(token);
  if (it == by_token_.end()) return nullptr;
  CallerPtr taken = std::move(it->second.caller);
  by_token_.erase(it);
  removed_.fetch_add(1, std::memory_order_release);
  const auto session = by_session_.find(taken->session());
  std::erase(session->second, token);
  if (session->second.empty()) by_session_.erase(session);
  return taken;
}

template <class Predicate>
void SessionTable::RemoveOf(TokenHash session, Predicate gone) {
  std::vector<CallerPtr> removed;
  const MutexLock lock(mu_);
  const auto it = by_session_.find(session);
  if (it == by_session_.end()) return;
  for (const TokenHash& token : std::vector<TokenHash>(it->second)) {
    if (gone(*by_token_.at(token).caller)) removed.push_back(Take(token));
  }
}

template <class Predicate>
std::vector<CallerPtr> SessionTable::TakeWhere(Predicate gone) {
  std::vector<TokenHash> tokens;
  for (const auto& [token, live] : by_token_) {
    if (gone(live)) tokens.push_back(token);
  }
  std::vector<CallerPtr> taken;
  for (const TokenHash& token : tokens) taken.push_back(Take(token));
  return taken;
}

void SessionTable::Remove(TokenHash token) {
  CallerPtr removed;
  const MutexLock lock(mu_);
  removed = Take(token);
}

void SessionTable::RemoveSession(TokenHash session) {
  RemoveOf(session, [](const Caller&) { return true; });
}

void SessionTable::RemoveFrom(TokenHash session, uint32_t from) {
  RemoveOf(session, [from](const Caller& caller) { return caller.token.generation >= from; });
}

void SessionTable::RemoveBelow(TokenHash session, uint32_t below) {
  RemoveOf(session, [below](const Caller& caller) { return caller.token.generation < below; });
}

std::vector<TokenHash> SessionTable::RemoveAll(UserId user) {
  return RemoveOthers(user, TokenHash{});
}

std::vector<TokenHash> SessionTable::RemoveOthers(UserId user, TokenHash kept) {
  std::vector<CallerPtr> removed;
  {
    const MutexLock lock(mu_);
    removed = TakeWhere([&](const Live& live) {
      return live.caller->user == user && live.caller->session() != kept;
    });
  }
  absl::flat_hash_set<TokenHash> sessions;
  for (const CallerPtr& caller : removed) sessions.insert(caller->session());
  return {sessions.begin(), sessions.end()};
}

std::vector<TokenRecord> SessionTable::RemoveExpired() {
  const MonoTime now = clock_.Mono();
  std::vector<CallerPtr> removed;
  {
    const MutexLock lock(mu_);
    removed = TakeWhere([now](const Live& live) { return live.until <= now; });
  }
  std::vector<TokenRecord> tokens;
  for (const CallerPtr& caller : removed) tokens.push_back(caller->token);
  return tokens;
}

bool SessionTable::Lives(TokenHash session) const {
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  const auto it = by_session_.find(session);
  return it != by_session_.end() &&
         std::any_of(it->second.begin(), it->second.end(), [&](const TokenHash& token) {
           const auto live = by_token_.find(token);
           return live != by_token_.end() && now < live->second.until;
         });
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
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  const auto it = by_token_.find(token);
  return it != by_token_.end() && now < it->second.until ? it->second.caller : nullptr;
}

}  // namespace p2p::server
