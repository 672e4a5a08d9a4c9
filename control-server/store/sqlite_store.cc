#include "control-server/store/sqlite_store.h"

#include "common/base/check.h"

namespace p2p::server {

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               const std::string& vfs) {
  P2P_ASSIGN_OR_RETURN(auto db, SqliteDb::Open(path, vfs));
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(db)));
}

SqliteStore::SqliteStore(std::unique_ptr<SqliteDb> db)
    : db_(std::move(db)),
      accounts_(*db_),
      tokens_(*db_),
      penalties_(*db_),
      resume_(*db_),
      peering_(*db_),
      broadcasts_(*db_),
      ledger_(*db_) {}

absl::Status SqliteStore::Group(absl::FunctionRef<absl::Status()> work) { return db_->Group(work); }

absl::Status SqliteStore::Step(absl::FunctionRef<absl::Status()> work) { return db_->Step(work); }

absl::Status SqliteStore::CreateAccount(const Account& account) {
  return accounts_.Create(account);
}

absl::StatusOr<Account> SqliteStore::FindAccount(absl::string_view username) {
  return accounts_.Find(username);
}

absl::StatusOr<Account> SqliteStore::GetAccount(UserId id) { return accounts_.Get(id); }

absl::StatusOr<Account> SqliteStore::FindLookalike(absl::string_view skeleton) {
  return accounts_.FindLookalike(skeleton);
}

absl::Status SqliteStore::UpdateAccount(const Account& account) {
  return accounts_.Update(account);
}

absl::Status SqliteStore::DeleteAccount(UserId id) { return accounts_.Delete(id); }

absl::StatusOr<std::vector<Account>> SqliteStore::ListAccounts() { return accounts_.List(); }

absl::StatusOr<std::vector<TokenHash>> SqliteStore::PutToken(const TokenRecord& token,
                                                             size_t max_per_account) {
  return tokens_.Put(token, max_per_account);
}

absl::Status SqliteStore::DeleteToken(TokenHash hash) { return tokens_.Delete(hash); }

absl::StatusOr<std::vector<TokenHash>> SqliteStore::DeleteTokensOf(UserId account) {
  return tokens_.DeleteOf(account);
}

absl::StatusOr<std::vector<TokenRecord>> SqliteStore::ListTokens(WallTime now) {
  return tokens_.List(now);
}

absl::Status SqliteStore::PutPenalty(const PenaltyRecord& penalty) {
  return penalties_.Put(penalty);
}

absl::Status SqliteStore::DeletePenalty(UserId account) { return penalties_.Delete(account); }

absl::StatusOr<std::vector<PenaltyRecord>> SqliteStore::ListPenalties() {
  return penalties_.List();
}

absl::StatusOr<std::vector<TokenHash>> SqliteStore::PutResume(const ResumeFamily& family,
                                                              TokenHash token,
                                                              size_t max_per_account) {
  return resume_.Put(family, token, max_per_account);
}

absl::StatusOr<PresentedResume> SqliteStore::FindResume(TokenHash token) {
  return resume_.Find(token);
}

absl::StatusOr<std::vector<ResumeFamily>> SqliteStore::ListFamilies() { return resume_.List(); }

absl::Status SqliteStore::UseSession(TokenHash session, uint32_t generation) {
  return resume_.Use(session, generation);
}

absl::Status SqliteStore::DeleteSession(TokenHash session) {
  return resume_.DeleteSession(session);
}

absl::Status SqliteStore::DeleteOtherSessions(UserId account, TokenHash kept) {
  return resume_.DeleteOtherSessions(account, kept);
}

absl::Status SqliteStore::DropResumesBefore(WallTime renewed, WallTime started) {
  return resume_.DropBefore(renewed, started);
}

absl::Status SqliteStore::PutIntroduction(const IntroductionRecord& introduction) {
  return peering_.PutIntroduction(introduction);
}

absl::Status SqliteStore::AckIntroduction(RequestId id, UserId party) {
  return peering_.AckIntroduction(id, party);
}

absl::StatusOr<std::vector<IntroductionRecord>> SqliteStore::ListIntroductions() {
  return peering_.ListIntroductions();
}

absl::Status SqliteStore::DropIntroductionsBefore(WallTime created_before) {
  return peering_.DropIntroductionsBefore(created_before);
}

absl::Status SqliteStore::PutAddresses(const std::vector<AddressRecord>& addresses) {
  return peering_.PutAddresses(addresses);
}

absl::StatusOr<std::vector<AddressRecord>> SqliteStore::ListAddresses(WallTime active_since) {
  return peering_.ListAddresses(active_since);
}

absl::Status SqliteStore::DropAddressesBefore(WallTime active_before) {
  return peering_.DropAddressesBefore(active_before);
}

absl::Status SqliteStore::PutBroadcast(const BroadcastRecord& broadcast) {
  return broadcasts_.Put(broadcast);
}

absl::StatusOr<BroadcastRecord> SqliteStore::FindBroadcastByKey(UserId sender,
                                                                absl::string_view idempotency_key) {
  return broadcasts_.FindByKey(sender, idempotency_key);
}

absl::StatusOr<BroadcastRecord> SqliteStore::GetBroadcast(BroadcastId id) {
  return broadcasts_.Get(id);
}

absl::StatusOr<std::vector<BroadcastRecord>> SqliteStore::ListLiveBroadcasts(WallTime now) {
  return broadcasts_.ListLive(now);
}

absl::StatusOr<std::vector<BroadcastRecord>> SqliteStore::ListBroadcasts(
    std::optional<UserId> sender, WallTime sent_since, size_t limit) {
  return broadcasts_.List(sender, sent_since, limit);
}

absl::Status SqliteStore::RevokeBroadcast(BroadcastId id) { return broadcasts_.Revoke(id); }

absl::Status SqliteStore::PutDue(const std::vector<DeliveryRecord>& rows) {
  return ledger_.PutDue(rows);
}

absl::Status SqliteStore::MarkDelivered(BroadcastId broadcast, UserId user, DeliveryVia via,
                                        WallTime at) {
  return ledger_.MarkDelivered(broadcast, user, via, at);
}

absl::StatusOr<std::vector<DeliveryRecord>> SqliteStore::ListDeliveries(BroadcastId broadcast) {
  return ledger_.List(broadcast);
}

absl::StatusOr<DeliveryCounts> SqliteStore::CountDeliveries(BroadcastId broadcast) {
  return ledger_.Count(broadcast);
}

absl::Status SqliteStore::PurgeBroadcasts(WallTime now, WallTime details_before) {
  return broadcasts_.Purge(now, details_before);
}

}  // namespace p2p::server
