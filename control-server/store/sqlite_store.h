// The Store contract on one SQLite file: write-ahead log, fsync before every OK. Assembles the
// parts that know one kind of row each.
#pragma once

#include <memory>

#include "control-server/store/sqlite_accounts.h"
#include "control-server/store/sqlite_broadcasts.h"
#include "control-server/store/sqlite_ledger.h"
#include "control-server/store/sqlite_peering.h"
#include "control-server/store/sqlite_penalties.h"
#include "control-server/store/sqlite_resume.h"
#include "control-server/store/sqlite_tokens.h"
#include "control-server/store/store.h"

namespace p2p::server {

class SqliteStore final : public Store {
 public:
  // Opens or creates `path`; errors as SqliteDb::Open says. Open it before the first connection is
  // accepted and keep it open: closing any descriptor of the file would drop SQLite's locks. Two
  // servers are kept apart by the lock of the data directory, which the caller holds.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           const std::string& vfs = "");

  absl::Status Group(absl::FunctionRef<absl::Status()> work) override;
  absl::Status Step(absl::FunctionRef<absl::Status()> work) override;

  absl::Status CreateAccount(const Account& account) override;
  absl::StatusOr<Account> FindAccount(absl::string_view username) override;
  absl::StatusOr<Account> GetAccount(UserId id) override;
  absl::StatusOr<Account> FindLookalike(absl::string_view skeleton) override;
  absl::Status UpdateAccount(const Account& account) override;
  absl::Status DeleteAccount(UserId id) override;
  absl::StatusOr<std::vector<Account>> ListAccounts() override;

  absl::StatusOr<std::vector<TokenHash>> PutToken(const TokenRecord& token,
                                                  size_t max_per_account) override;
  absl::Status DeleteToken(TokenHash hash) override;
  absl::StatusOr<std::vector<TokenHash>> DeleteTokensOf(UserId account) override;
  absl::StatusOr<std::vector<TokenRecord>> ListTokens(WallTime now) override;

  absl::Status PutPenalty(const PenaltyRecord& penalty) override;
  absl::Status DeletePenalty(UserId account) override;
  absl::StatusOr<std::vector<PenaltyRecord>> ListPenalties() override;
  absl::StatusOr<std::vector<TokenHash>> PutResume(const ResumeFamily& family, TokenHash token,
                                                   size_t max_per_account) override;
  absl::StatusOr<PresentedResume> FindResume(TokenHash token) override;
  absl::StatusOr<std::vector<ResumeFamily>> ListFamilies() override;
  absl::Status UseSession(TokenHash session, uint32_t generation) override;
  absl::Status DeleteSession(TokenHash session) override;
  absl::Status DeleteOtherSessions(UserId account, TokenHash kept) override;
  absl::Status DropResumesBefore(WallTime renewed, WallTime started) override;

  absl::Status PutIntroduction(const IntroductionRecord& introduction) override;
  absl::Status AckIntroduction(RequestId id, UserId party) override;
  absl::StatusOr<std::vector<IntroductionRecord>> ListIntroductions() override;
  absl::Status DropIntroductionsBefore(WallTime created_before) override;

  absl::Status PutAddresses(const std::vector<AddressRecord>& addresses) override;
  absl::StatusOr<std::vector<AddressRecord>> ListAddresses(WallTime active_since) override;
  absl::Status DropAddressesBefore(WallTime active_before) override;

  absl::Status PutBroadcast(const BroadcastRecord& broadcast) override;
  absl::StatusOr<BroadcastRecord> FindBroadcastByKey(UserId sender,
                                                     absl::string_view idempotency_key) override;
  absl::StatusOr<BroadcastRecord> GetBroadcast(BroadcastId id) override;
  absl::StatusOr<std::vector<BroadcastRecord>> ListLiveBroadcasts(WallTime now) override;
  absl::StatusOr<std::vector<BroadcastRecord>> ListBroadcasts(std::optional<UserId> sender,
                                                              WallTime sent_since,
                                                              size_t limit) override;
  absl::Status RevokeBroadcast(BroadcastId id) override;

  absl::Status PutDue(const std::vector<DeliveryRecord>& rows) override;
  absl::Status MarkDelivered(BroadcastId broadcast, UserId user, DeliveryVia via,
                             WallTime at) override;
  absl::StatusOr<std::vector<DeliveryRecord>> ListDeliveries(BroadcastId broadcast) override;
  absl::StatusOr<DeliveryCounts> CountDeliveries(BroadcastId broadcast) override;

  absl::Status PurgeBroadcasts(WallTime now, WallTime details_before) override;

 private:
  explicit SqliteStore(std::unique_ptr<SqliteDb> db);

  std::unique_ptr<SqliteDb> db_;
  SqliteAccounts accounts_;
  SqliteTokens tokens_;
  SqlitePenalties penalties_;
  SqliteResume resume_;
  SqlitePeering peering_;
  SqliteBroadcasts broadcasts_;
  SqliteLedger ledger_;
};

}  // namespace p2p::server
