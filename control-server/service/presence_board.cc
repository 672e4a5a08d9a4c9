#include "control-server/service/presence_board.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace p2p::server {

PresenceBoard::PresenceBoard(const config::Timing& timing, const Clock& clock, StoreQueue& store)
    : timing_(timing),
      clock_(clock),
      store_(store),
      started_(clock.Mono()),
      presence_(timing.detach_grace),
      memory_(timing.address_memory),
      published_at_(started_ - kPublishEvery),
      persisted_at_(started_ - kPersistEvery),
      refreshed_at_(started_),
      batch_at_(started_ - kBatchEvery),
      snapshot_(std::make_shared<PresenceSnapshot>()) {}

std::shared_ptr<const PresenceSnapshot> PresenceBoard::Snapshot() const {
  MutexLock lock(mu_);
  return snapshot_;
}

void PresenceBoard::Load(const std::vector<AddressRecord>& addresses) {
  memory_.Load(addresses, clock_.Wall(), clock_.Mono());
}

Presence::AttachResult PresenceBoard::Attach(const ActiveUser& client, ConnId conn, TokenHash token,
                                             bool take_over) {
  const auto result = presence_.Attach(client, conn, take_over);
  if (result.busy_at) return result;
  SetToken(client.user, token);
  Touch(client);
  if (result.arrived) changes_.Arrived(client.username);
  Changed();
  return result;
}

bool PresenceBoard::Detach(UserId user, ConnId conn, Presence::End end) {
  const ActiveUser* client = presence_.Find(user);
  if (client == nullptr) return false;
  const ActiveUser left = *client;
  Touch(left);
  if (!presence_.Detach(user, conn, end, clock_.Mono())) return false;
  DropToken(user);
  changes_.Left(left.username);
  Changed();
  return true;
}

bool PresenceBoard::Remove(UserId user) {
  const ActiveUser* client = presence_.Find(user);
  if (client == nullptr) return false;
  const ActiveUser left = *client;
  if (presence_.IsAttached(user)) Touch(left);
  presence_.Remove(user);
  DropToken(user);
  changes_.Left(left.username);
  Changed();
  return true;
}

std::vector<ActiveUser> PresenceBoard::ExpireGrace() {
  std::vector<ActiveUser> gone = presence_.ExpireGrace(clock_.Mono());
  for (const ActiveUser& client : gone) {
    DropToken(client.user);
    changes_.Left(client.username);
  }
  if (!gone.empty()) Changed();
  return gone;
}

std::optional<UserId> PresenceBoard::UserOf(TokenHash token) const {
  const auto it = users_.find(token);
  if (it == users_.end()) return std::nullopt;
  return it->second;
}

Resolution PresenceBoard::Resolve(const Target& target, const Asker& asker) const {
  const MonoTime now = clock_.Mono();
  return server::Resolve(target, asker, presence_, memory_, now - started_ < timing_.just_started,
                         now);
}

std::optional<WallTime> PresenceBoard::LastActive(UserId user) const {
  return memory_.LastActive(user, clock_.Mono());
}

std::optional<PresenceChanges::Batch> PresenceBoard::TakeBatch() {
  const MonoTime now = clock_.Mono();
  if (changes_.empty() || now - batch_at_ < kBatchEvery) return std::nullopt;
  batch_at_ = now;
  return changes_.Take();
}

void PresenceBoard::Tick() {
  const MonoTime now = clock_.Mono();
  if (dirty_ && now - published_at_ >= kPublishEvery) Publish(now);
  if (now - refreshed_at_ >= RefreshEvery()) Refresh(now);
  if (memory_.changed() && now - persisted_at_ >= kPersistEvery) Persist(now);
}

std::optional<MonoTime> PresenceBoard::NextDeadline() const {
  MonoTime next = refreshed_at_ + RefreshEvery();
  if (dirty_) next = std::min(next, published_at_ + kPublishEvery);
  if (memory_.changed()) next = std::min(next, persisted_at_ + kPersistEvery);
  if (!changes_.empty()) next = std::min(next, batch_at_ + kBatchEvery);
  if (const auto grace = presence_.NextDeadline()) next = std::min(next, *grace);
  return next;
}

void PresenceBoard::SetToken(UserId user, TokenHash token) {
  DropToken(user);
  tokens_[user] = token;
  users_[token] = user;
}

void PresenceBoard::DropToken(UserId user) {
  const auto it = tokens_.find(user);
  if (it == tokens_.end()) return;
  users_.erase(it->second);
  tokens_.erase(it);
}

void PresenceBoard::Changed() {
  dirty_ = true;
  const MonoTime now = clock_.Mono();
  if (presence_.size() <= kPublishAtOnce || now - published_at_ >= kPublishEvery) Publish(now);
}

void PresenceBoard::Publish(MonoTime now) {
  auto snapshot = presence_.Snapshot();
  dirty_ = false;
  published_at_ = now;
  MutexLock lock(mu_);
  snapshot_.swap(snapshot);
}

void PresenceBoard::Touch(const ActiveUser& client) {
  memory_.Touch(client.seen, client.user, clock_.Wall(), clock_.Mono());
}

void PresenceBoard::Persist(MonoTime now) {
  persisted_at_ = now;
  store_.Submit([changed = memory_.TakeChanged()](Store& s) { return s.PutAddresses(changed); },
                [](const absl::Status& status) {
                  if (!status.ok())
                    LogWarning("addresses_not_stored", {{"error", status.ToString()}});
                });
}

void PresenceBoard::Refresh(MonoTime now) {
  refreshed_at_ = now;
  for (const auto& client : presence_.Snapshot()->users) {
    if (presence_.IsAttached(client.user)) Touch(client);
  }
  memory_.Forget(now);
  const WallTime before =
      clock_.Wall() - std::chrono::ceil<std::chrono::milliseconds>(timing_.address_memory);
  store_.Submit([before](Store& s) { return s.DropAddressesBefore(before); },
                [](const absl::Status&) {});  // Tried again at the next refresh.
}

}  // namespace p2p::server
