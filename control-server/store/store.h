// What must survive. One contract, several implementations (SQLite, memory, later a cluster store);
// the contract suite is tests/contract/store_contract_test.cc.
//
// Contract
// - Every method is atomic: it happened wholly or not at all. After OK of a writing method outside
// a Group it is durable: it
//   survives loss of power. Inside Group() everything becomes durable together when Group returns
//   OK, or nothing happened.
// - Nothing here assumes a single process: uniqueness is decided by the store, not by a check
// before the write.
// - Errors: NotFound, AlreadyExists and InvalidArgument as said below; ResourceExhausted: disk
// full, reading still works;
//   Unavailable: the store failed and its state is unknown to the caller (after a failed fsync the
//   process must stop).
// - One thread at a time (the store thread, see store_queue.h). Blocks on the disk.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-server/domain/records.h"

namespace p2p::server {

// How many generations of resume tokens a family remembers, to know a stolen one by.
inline constexpr int64_t kMaxResumeTokens = 128;

class Store {
 public:
  virtual ~Store() = default;

  // Runs `work` as one atomic, durable unit. An error from `work` undoes all of it and is returned.
  // Not nestable. A method that fails inside a group with AlreadyExists, NotFound or
  // InvalidArgument has changed nothing and does not spoil the group.
  virtual absl::Status Group(absl::FunctionRef<absl::Status()> work) = 0;

  // Inside Group() only, not nestable: runs `work` so that an error from it undoes its own changes
  // and is returned, while the rest of the group stands. When the store itself failed, Group()
  // still returns that failure and nothing of the group happened.
  virtual absl::Status Step(absl::FunctionRef<absl::Status()> work) = 0;

  // Accounts. Names compare without regard to ASCII case.
  // AlreadyExists: the name, the id, or the skeleton unless that is empty.
  virtual absl::Status CreateAccount(const Account& account) = 0;
  virtual absl::StatusOr<Account> FindAccount(absl::string_view username) = 0;  // NotFound.
  virtual absl::StatusOr<Account> GetAccount(UserId id) = 0;                    // NotFound.
  // The account that claims this skeleton, which is not empty. NotFound.
  virtual absl::StatusOr<Account> FindLookalike(absl::string_view skeleton) = 0;
  // By id. NotFound; AlreadyExists: name or skeleton taken.
  virtual absl::Status UpdateAccount(const Account& account) = 0;
  // With its tokens, its penalties and its ledger rows. NotFound.
  virtual absl::Status DeleteAccount(UserId id) = 0;
  virtual absl::StatusOr<std::vector<Account>>
  ListAccounts() = 0;  // Sorted by name without regard to case.

  // Access tokens. PutToken: NotFound without the account, AlreadyExists for the hash. It keeps the
  // tokens of at most `max_per_account` sessions of an account, dropping whole sessions, resume
  // tokens included, whose newest token is the oldest, and returns those sessions.
  // DeleteToken leaves the rest of the session alone; DeleteTokensOf takes the resume tokens along.
  virtual absl::StatusOr<std::vector<TokenHash>> PutToken(const TokenRecord& token,
                                                          size_t max_per_account) = 0;
  virtual absl::Status DeleteToken(TokenHash hash) = 0;  // OK when absent.
  virtual absl::StatusOr<std::vector<TokenHash>> DeleteTokensOf(UserId account) = 0;
  virtual absl::StatusOr<std::vector<TokenRecord>> ListTokens(
      WallTime now) = 0;  // Those not expired.

  // Penalties, one record an account. PutPenalty inserts or replaces; NotFound without the account.
  virtual absl::Status PutPenalty(const PenaltyRecord& penalty) = 0;
  virtual absl::Status DeletePenalty(UserId account) = 0;  // NotFound.
  virtual absl::StatusOr<std::vector<PenaltyRecord>> ListPenalties() = 0;

  // Resume tokens. PutResume inserts the family, or replaces that of the session, and makes `token`
  // its token of family.generation: what it had of that generation or a later one, access tokens
  // included, is void. The newest kMaxResumeTokens are remembered; an older one is as unknown as
  // one that never was. At most `max_per_account` families of an account are kept, dropping whole
  // sessions longest not renewed, which are returned. NotFound without the account, AlreadyExists
  // for the hash.
  virtual absl::StatusOr<std::vector<TokenHash>> PutResume(const ResumeFamily& family,
                                                           TokenHash token,
                                                           size_t max_per_account) = 0;
  virtual absl::StatusOr<PresentedResume> FindResume(TokenHash token) = 0;  // NotFound.
  virtual absl::StatusOr<std::vector<ResumeFamily>> ListFamilies() = 0;
  // The access token of that generation was presented: marks it used if it is the family's newest,
  // and removes the session's older access tokens. OK when there is nothing of that kind.
  virtual absl::Status UseSession(TokenHash session, uint32_t generation) = 0;
  // With all tokens of both kinds. OK when absent.
  virtual absl::Status DeleteSession(TokenHash session) = 0;
  virtual absl::Status DeleteOtherSessions(UserId account, TokenHash kept) = 0;
  // Families renewed, or started, at or before these points. Access tokens stay.
  virtual absl::Status DropResumesBefore(WallTime renewed, WallTime started) = 0;

  // Introductions.
  virtual absl::Status PutIntroduction(
      const IntroductionRecord& introduction) = 0;  // AlreadyExists.
  // Marks the party's acknowledgement; removes the row when both have. OK when absent.
  virtual absl::Status AckIntroduction(RequestId id, UserId party) = 0;
  virtual absl::StatusOr<std::vector<IntroductionRecord>> ListIntroductions() = 0;
  virtual absl::Status DropIntroductionsBefore(WallTime created_before) = 0;

  // Addresses at which accounts were active lately; PutAddresses inserts or updates (ip, account).
  virtual absl::Status PutAddresses(const std::vector<AddressRecord>& addresses) = 0;
  virtual absl::StatusOr<std::vector<AddressRecord>> ListAddresses(WallTime active_since) = 0;
  virtual absl::Status DropAddressesBefore(WallTime active_before) = 0;

  // Broadcasts. PutBroadcast: AlreadyExists when the id exists or (sender, idempotency_key) does,
  // key not empty; the caller then asks FindBroadcastByKey.
  virtual absl::Status PutBroadcast(const BroadcastRecord& broadcast) = 0;
  virtual absl::StatusOr<BroadcastRecord> FindBroadcastByKey(
      UserId sender, absl::string_view idempotency_key) = 0;                 // NotFound.
  virtual absl::StatusOr<BroadcastRecord> GetBroadcast(BroadcastId id) = 0;  // NotFound.
  virtual absl::StatusOr<std::vector<BroadcastRecord>> ListLiveBroadcasts(
      WallTime now) = 0;  // now < expires_at, not revoked; oldest first.
  // Newest first, at most `limit`, with empty texts; of one sender or of all.
  virtual absl::StatusOr<std::vector<BroadcastRecord>> ListBroadcasts(std::optional<UserId> sender,
                                                                      WallTime sent_since,
                                                                      size_t limit) = 0;
  virtual absl::Status RevokeBroadcast(BroadcastId id) = 0;  // NotFound.

  // The delivery ledger. PutDue inserts rows that do not exist yet and leaves existing ones alone;
  // rows of a broadcast or account that does not exist (any more) are left out.
  // MarkDelivered: NotFound without a due row; a row that is delivered already does not change
  // (OK).
  virtual absl::Status PutDue(const std::vector<DeliveryRecord>& rows) = 0;
  virtual absl::Status MarkDelivered(BroadcastId broadcast, UserId user, DeliveryVia via,
                                     WallTime at) = 0;
  virtual absl::StatusOr<std::vector<DeliveryRecord>> ListDeliveries(BroadcastId broadcast) = 0;
  virtual absl::StatusOr<DeliveryCounts> CountDeliveries(BroadcastId broadcast) = 0;

  // Removes the text of broadcasts that expired before `now`, and rows (ledger included) of
  // broadcasts that expired and were sent before `details_before`. Text is gone from the files, not
  // only from the tables, when this, or the group around it, returns OK; when another process
  // stands in the way of that, the next call tries again.
  virtual absl::Status PurgeBroadcasts(WallTime now, WallTime details_before) = 0;
};

}  // namespace p2p::server
