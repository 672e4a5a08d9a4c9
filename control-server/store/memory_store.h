// The Store contract in memory: for tests, and the yardstick for the contract suite. Nothing
// survives the process.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "control-server/store/store.h"

namespace p2p::server {

class MemoryStore : public Store {
 public:
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
  // Somebody else claims what `account` wants to claim.
  bool ClaimIsTaken(const Account& account) const;

  using LedgerKey = std::pair<BroadcastId, UserId>;
  struct ResumeTokenRow {
    TokenHash session;
    uint32_t generation = 0;
  };

  // Every change of a map goes through these two, which remember the old value while a group runs.
  template <class Map>
  void Set(Map& map, const typename Map::key_type& key, typename Map::mapped_type value);
  template <class Map>
  void Erase(Map& map, const typename Map::key_type& key);
  template <class Map>
  void Remember(Map& map, const typename Map::key_type& key);
  void UndoTo(size_t mark);
  // Erases all that the predicate, called with key and value, says yes to.
  template <class Map, class Predicate>
  void EraseWhere(Map& map, Predicate gone);
  void EraseSession(TokenHash session);

  std::map<UserId, Account> accounts_;
  std::map<std::string, UserId> ids_by_name_;  // Lower-cased.
  std::map<TokenHash, TokenRecord> tokens_;
  std::map<UserId, PenaltyRecord> penalties_;
  std::map<TokenHash, ResumeFamily> families_;  // By session.
  std::map<TokenHash, ResumeTokenRow> resume_tokens_;
  std::map<RequestId, IntroductionRecord> introductions_;
  std::map<std::pair<net::IpAddress, UserId>, AddressRecord> addresses_;
  std::map<BroadcastId, BroadcastRecord> broadcasts_;
  std::map<LedgerKey, DeliveryRecord> ledger_;

  bool in_group_ = false;
  bool in_step_ = false;
  std::vector<absl::AnyInvocable<void()>> undo_;  // Of the group that runs, oldest first.
};

}  // namespace p2p::server
