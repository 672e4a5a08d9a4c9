// One test for every sentence of the contract in store.h, over each implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "control-server/store/memory_store.h"
#include "control-server/store/sqlite_store.h"
#include "tests/fakes/power_cut_store.h"

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr WallTime kNow = WallFromMs(1'700'000'000'000);

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string name = (parent / "store-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

 private:
  std::string path_;
};

// How each implementation is made; Reopen drops what would not survive the process.
struct OnMemory {
  MemoryStore store;
  Store& Get() { return store; }
  void Reopen() {}
};

struct OnSqlite {
  TemporaryDirectory directory;
  std::unique_ptr<SqliteStore> store = Open();
  std::unique_ptr<SqliteStore> Open() {
    auto opened = SqliteStore::Open(directory.File("server.db"));
    if (!opened.ok()) ADD_FAILURE() << opened.status();
    return *std::move(opened);
  }
  Store& Get() { return *store; }
  void Reopen() {
    store.reset();
    store = Open();
  }
};

// Which syncs count is known without a disk; in memory they cost nothing.
struct OnFailingPower {
  static std::filesystem::path Parent() {
    const std::filesystem::path memory = "/dev/shm";
    return std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
  }
  TemporaryDirectory directory{Parent()};
  PowerCutStore store{directory.path()};
  Store& Get() { return store.Get(); }
  void Reopen() { store.Reopen(); }
};

template <class Backend>
class StoreContractTest : public ::testing::Test {
 protected:
  Store& store() { return backend_.Get(); }
  void Reopen() { backend_.Reopen(); }

  Account NewAccount(absl::string_view name) {
    Account account;
    account.id = random_.NewId<UserId>();
    account.username = std::string(name);
    account.phc = "$argon2id$...";
    account.created_at = kNow;
    return account;
  }
  Account Created(absl::string_view name) {
    const Account account = NewAccount(name);
    EXPECT_TRUE(store().CreateAccount(account).ok());
    return account;
  }
  TokenRecord NewToken(UserId account, WallTime issued) {
    TokenRecord token;
    token.hash = random_.NewId<TokenHash>();
    token.account = account;
    token.device_key = random_.Array<32>();
    token.chat_port = 4401;
    token.issued_at = issued;
    token.expires_at = issued + 12h;
    return token;
  }
  ResumeFamily NewFamily(UserId account, WallTime started) {
    ResumeFamily family;
    family.session = random_.NewId<TokenHash>();
    family.account = account;
    family.device_key = random_.Array<32>();
    family.chat_port = 4401;
    family.started_at = started;
    family.renewed_at = started;
    return family;
  }
  BroadcastRecord NewBroadcast(UserId sender, WallTime sent, absl::string_view text = "hello") {
    BroadcastRecord record;
    record.id = random_.NewId<BroadcastId>();
    record.sender = sender;
    record.text = std::string(text);
    record.content_digest = random_.Array<32>();
    record.signed_object = {1, 2, 3};
    record.signature = random_.Array<64>();
    record.sent_at = sent;
    record.expires_at = sent + 30min;
    return record;
  }
  BroadcastRecord Sent(UserId sender, WallTime sent, absl::string_view text = "hello") {
    const BroadcastRecord record = NewBroadcast(sender, sent, text);
    EXPECT_TRUE(store().PutBroadcast(record).ok());
    return record;
  }
  IntroductionRecord NewIntroduction(WallTime created) {
    IntroductionRecord record;
    record.id = random_.NewId<RequestId>();
    record.requester = random_.NewId<UserId>();
    record.target = random_.NewId<UserId>();
    record.signed_object = {9, 8, 7};
    record.signature = random_.Array<64>();
    record.created_at = created;
    return record;
  }

  SeededRandom random_{7};

 private:
  Backend backend_;
};

using Backends = ::testing::Types<OnMemory, OnSqlite, OnFailingPower>;
class BackendNames {
 public:
  template <class T>
  static std::string GetName(int) {
    if (std::is_same_v<T, OnMemory>) return "memory";
    return std::is_same_v<T, OnSqlite> ? "sqlite" : "failing_power";
  }
};
TYPED_TEST_SUITE(StoreContractTest, Backends, BackendNames);

// ---- Groups -------------------------------------------------------------------------------------

TYPED_TEST(StoreContractTest, GroupIsAllOrNothing) {
  const Account alice = this->NewAccount("alice");
  const Account bob = this->NewAccount("bob");
  EXPECT_EQ(this->store().Group([&]() -> absl::Status {
    EXPECT_TRUE(this->store().CreateAccount(alice).ok());
    EXPECT_TRUE(this->store().CreateAccount(bob).ok());
    EXPECT_TRUE(this->store().GetAccount(bob.id).ok());  // Its own writes are seen.
    return absl::CancelledError("changed my mind");
  }),
            absl::CancelledError("changed my mind"));
  this->Reopen();
  EXPECT_THAT(*this->store().ListAccounts(), IsEmpty());
}

TYPED_TEST(StoreContractTest, GroupIsDurableWhenItReturns) {
  const Account alice = this->NewAccount("alice");
  ASSERT_TRUE(this->store().Group([&] { return this->store().CreateAccount(alice); }).ok());
  this->Reopen();
  EXPECT_EQ(*this->store().GetAccount(alice.id), alice);
}

TYPED_TEST(StoreContractTest, UndoneGroupRestoresWhatItChangedAndRemoved) {
  const Account alice = this->Created("alice");
  const TokenRecord token = this->NewToken(alice.id, kNow);
  ASSERT_TRUE(this->store().PutToken(token, 8).ok());
  (void)this->store().Group([&]() -> absl::Status {
    Account renamed = alice;
    renamed.username = "alicia";
    EXPECT_TRUE(this->store().UpdateAccount(renamed).ok());
    EXPECT_TRUE(this->store().DeleteAccount(alice.id).ok());
    return absl::CancelledError("");
  });
  EXPECT_EQ(*this->store().FindAccount("alice"), alice);
  EXPECT_THAT(*this->store().ListTokens(kNow), ElementsAre(token));
}

TYPED_TEST(StoreContractTest, FailedMethodDoesNotSpoilTheGroup) {
  const Account alice = this->Created("alice");
  const Account twin = this->NewAccount("ALICE");
  const Account bob = this->NewAccount("bob");
  ASSERT_TRUE(this->store()
                  .Group([&]() -> absl::Status {
                    EXPECT_TRUE(absl::IsAlreadyExists(this->store().CreateAccount(twin)));
                    EXPECT_TRUE(absl::IsNotFound(this->store().UpdateAccount(twin)));
                    return this->store().CreateAccount(bob);
                  })
                  .ok());
  EXPECT_THAT(*this->store().ListAccounts(), ElementsAre(alice, bob));
}

TYPED_TEST(StoreContractTest, FailedStepIsUndoneAloneAndTheGroupStands) {
  const Account alice = this->NewAccount("alice");
  const Account bob = this->NewAccount("bob");
  const Account carol = this->NewAccount("carol");
  ASSERT_TRUE(
      this->store()
          .Group([&]() -> absl::Status {
            EXPECT_TRUE(
                this->store().Step([&] { return this->store().CreateAccount(alice); }).ok());
            EXPECT_EQ(this->store().Step([&]() -> absl::Status {
              EXPECT_TRUE(this->store().CreateAccount(bob).ok());
              return absl::NotFoundError("the other half");
            }),
                      absl::NotFoundError("the other half"));
            return this->store().Step([&] { return this->store().CreateAccount(carol); });
          })
          .ok());
  this->Reopen();
  EXPECT_THAT(*this->store().ListAccounts(), ElementsAre(alice, carol));
}

TYPED_TEST(StoreContractTest, MethodOutsideAGroupIsDurable) {
  const Account alice = this->Created("alice");
  this->Reopen();
  EXPECT_EQ(*this->store().FindAccount("alice"), alice);
}

// ---- Accounts -----------------------------------------------------------------------------------

TYPED_TEST(StoreContractTest, NamesAreUniqueWithoutRegardToCaseAndKeepTheirSpelling) {
  const Account alice = this->Created("Alice");
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().CreateAccount(this->NewAccount("aLICE"))));
  EXPECT_EQ(this->store().FindAccount("ALICE")->username, "Alice");
  EXPECT_TRUE(absl::IsNotFound(this->store().FindAccount("alic").status()));
}

TYPED_TEST(StoreContractTest, IdsAreUnique) {
  Account alice = this->Created("alice");
  alice.username = "other";
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().CreateAccount(alice)));
  EXPECT_EQ(this->store().GetAccount(alice.id)->username, "alice");
}

TYPED_TEST(StoreContractTest, UpdateChangesEverythingByIdAndRespectsNames) {
  Account alice = this->Created("alice");
  this->Created("bob");
  Account changed = alice;
  changed.username = "Alice";  // Another spelling of the own name.
  changed.phc = "$other";
  changed.disabled = true;
  changed.admin = true;
  EXPECT_TRUE(this->store().UpdateAccount(changed).ok());
  EXPECT_EQ(*this->store().GetAccount(alice.id), changed);
  changed.username = "BOB";
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().UpdateAccount(changed)));
  EXPECT_EQ(this->store().GetAccount(alice.id)->username, "Alice");
  EXPECT_TRUE(absl::IsNotFound(this->store().UpdateAccount(this->NewAccount("nobody"))));
  changed.username = "carol";
  EXPECT_TRUE(this->store().UpdateAccount(changed).ok());
  EXPECT_TRUE(absl::IsNotFound(this->store().FindAccount("alice").status()));  // The name is free.
  this->Created("alice");
}

TYPED_TEST(StoreContractTest, DeleteTakesTokensAndLedgerRowsAlong) {
  const Account alice = this->Created("alice");
  const Account bob = this->Created("bob");
  ASSERT_TRUE(this->store().PutToken(this->NewToken(alice.id, kNow), 8).ok());
  const TokenRecord kept = this->NewToken(bob.id, kNow);
  ASSERT_TRUE(this->store().PutToken(kept, 8).ok());
  const BroadcastRecord hello = this->Sent(alice.id, kNow);
  const DeliveryRecord row{hello.id, bob.id, kNow};
  ASSERT_TRUE(this->store().PutDue({{hello.id, alice.id, kNow}, row}).ok());
  EXPECT_TRUE(this->store().DeleteAccount(alice.id).ok());
  EXPECT_TRUE(absl::IsNotFound(this->store().DeleteAccount(alice.id)));
  EXPECT_THAT(*this->store().ListTokens(kNow), ElementsAre(kept));
  EXPECT_THAT(*this->store().ListDeliveries(hello.id), ElementsAre(row));
  EXPECT_TRUE(this->store().GetBroadcast(hello.id).ok());  // Outlives its sender.
}

TYPED_TEST(StoreContractTest, AccountsAreListedByNameWithoutRegardToCase) {
  this->Created("bob");
  this->Created("Carol");
  this->Created("alice");
  this->Created("b_b");
  std::vector<std::string> names;
  const auto accounts = this->store().ListAccounts();
  for (const Account& account : *accounts) names.push_back(account.username);
  EXPECT_THAT(names, ElementsAre("alice", "b_b", "bob", "Carol"));
}

// ---- Names that look alike, penalties
// ------------------------------------------------------------

TYPED_TEST(StoreContractTest, NoTwoAccountsClaimTheSameSkeletonAndAnyNumberClaimsNone) {
  Account bill = this->NewAccount("bill");
  bill.skeleton = "blll";
  Account other = this->NewAccount("bi1l");
  other.skeleton = "blll";
  ASSERT_TRUE(this->store().CreateAccount(bill).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().CreateAccount(other)));
  EXPECT_EQ(*this->store().FindLookalike("blll"), bill);
  EXPECT_TRUE(absl::IsNotFound(this->store().FindLookalike("bob").status()));
  other.skeleton = "";
  ASSERT_TRUE(this->store().CreateAccount(other).ok());
  this->Created("bob");  // Claims none either.
  other.skeleton = "blll";
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().UpdateAccount(other)));
  ASSERT_TRUE(this->store().DeleteAccount(bill.id).ok());
  EXPECT_TRUE(this->store().UpdateAccount(other).ok());
  this->Reopen();
  EXPECT_EQ(*this->store().FindLookalike("blll"), other);
}

TYPED_TEST(StoreContractTest, PenaltiesAreOneAnAccountAndGoWithIt) {
  const Account alice = this->Created("alice");
  const Account bob = this->Created("bob");
  PenaltyRecord penalty;
  penalty.account = alice.id;
  penalty.offence = Offence::kSelf;
  penalty.start = kNow;
  penalty.end = kNow + 60s;
  penalty.level = 1;
  penalty.strikes = {kNow - 2s, kNow - 1s, kNow + 60s};
  ASSERT_TRUE(this->store().PutPenalty(penalty).ok());
  penalty.level = 2;
  ASSERT_TRUE(this->store().PutPenalty(penalty).ok());
  PenaltyRecord other;
  other.account = bob.id;
  ASSERT_TRUE(this->store().PutPenalty(other).ok());
  this->Reopen();
  EXPECT_THAT(*this->store().ListPenalties(), UnorderedElementsAre(penalty, other));
  EXPECT_TRUE(this->store().DeletePenalty(bob.id).ok());
  EXPECT_TRUE(absl::IsNotFound(this->store().DeletePenalty(bob.id)));
  EXPECT_THAT(*this->store().ListPenalties(), ElementsAre(penalty));
  ASSERT_TRUE(this->store().DeleteAccount(alice.id).ok());
  EXPECT_THAT(*this->store().ListPenalties(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(this->store().PutPenalty(penalty)));
}

// ---- Tokens -------------------------------------------------------------------------------------

TYPED_TEST(StoreContractTest, TokensComeBackAsTheyWere) {
  const Account alice = this->Created("alice");
  const TokenRecord token = this->NewToken(alice.id, kNow);
  EXPECT_THAT(*this->store().PutToken(token, 8), IsEmpty());
  this->Reopen();
  EXPECT_THAT(*this->store().ListTokens(kNow), ElementsAre(token));
  EXPECT_THAT(*this->store().ListTokens(token.expires_at - 1ms), ElementsAre(token));
  EXPECT_THAT(*this->store().ListTokens(token.expires_at), IsEmpty());
}

TYPED_TEST(StoreContractTest, OldestTokensOfTheAccountMakePlace) {
  const Account alice = this->Created("alice");
  const Account bob = this->Created("bob");
  std::vector<TokenRecord> tokens;
  ASSERT_TRUE(this->store().PutToken(this->NewToken(bob.id, kNow - 1h), 3).ok());
  for (const int minute : {2, 1, 3}) {
    tokens.push_back(this->NewToken(alice.id, kNow + std::chrono::minutes(minute)));
    EXPECT_THAT(*this->store().PutToken(tokens.back(), 3), IsEmpty());
  }
  EXPECT_THAT(*this->store().PutToken(this->NewToken(alice.id, kNow + 4min), 3),
              ElementsAre(tokens[1].hash));
  EXPECT_THAT(*this->store().PutToken(this->NewToken(alice.id, kNow + 5min), 1),
              ::testing::SizeIs(3));
  EXPECT_EQ(this->store().ListTokens(kNow)->size(), 2u);
}

TYPED_TEST(StoreContractTest, TokenNeedsItsAccountAndAFreshHash) {
  const Account alice = this->Created("alice");
  const TokenRecord token = this->NewToken(alice.id, kNow);
  ASSERT_TRUE(this->store().PutToken(token, 1).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().PutToken(token, 1).status()));
  const TokenRecord orphan = this->NewToken(this->random_.template NewId<UserId>(), kNow);
  EXPECT_TRUE(absl::IsNotFound(this->store().PutToken(orphan, 8).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(this->store().PutToken(this->NewToken(alice.id, kNow), 0).status()));
  EXPECT_THAT(*this->store().ListTokens(kNow), ElementsAre(token));
}

TYPED_TEST(StoreContractTest, TokensAreDeletedOneByOneAndByAccount) {
  const Account alice = this->Created("alice");
  const Account bob = this->Created("bob");
  const TokenRecord a1 = this->NewToken(alice.id, kNow);
  const TokenRecord a2 = this->NewToken(alice.id, kNow + 1s);
  const TokenRecord a3 = this->NewToken(alice.id, kNow + 2s);
  const TokenRecord b1 = this->NewToken(bob.id, kNow);
  for (const auto& token : {a1, a2, a3, b1}) ASSERT_TRUE(this->store().PutToken(token, 8).ok());
  EXPECT_TRUE(this->store().DeleteToken(a1.hash).ok());
  EXPECT_TRUE(this->store().DeleteToken(a1.hash).ok());  // Absent already.
  EXPECT_THAT(*this->store().DeleteTokensOf(alice.id), UnorderedElementsAre(a2.hash, a3.hash));
  EXPECT_THAT(*this->store().ListTokens(kNow), ElementsAre(b1));
}

TYPED_TEST(StoreContractTest, TokensOfOneSessionTakeOnePlaceAndGoTogether) {
  const Account alice = this->Created("alice");
  const TokenRecord first = this->NewToken(alice.id, kNow);
  TokenRecord renewed = this->NewToken(alice.id, kNow + 2h);
  renewed.session = first.hash;
  renewed.generation = 1;
  const TokenRecord other = this->NewToken(alice.id, kNow + 1h);
  for (const auto& token : {first, renewed, other}) {
    EXPECT_THAT(*this->store().PutToken(token, 2), IsEmpty());
  }
  this->Reopen();
  EXPECT_THAT(*this->store().ListTokens(kNow), UnorderedElementsAre(first, renewed, other));
  // A session is as old as its newest token: `other` goes first.
  EXPECT_THAT(*this->store().PutToken(this->NewToken(alice.id, kNow + 3h), 2),
              ElementsAre(other.hash));
  EXPECT_THAT(*this->store().PutToken(this->NewToken(alice.id, kNow + 4h), 2),
              ElementsAre(first.hash));
  EXPECT_EQ(this->store().ListTokens(kNow)->size(), 2u);
}

// ---- Resume tokens ------------------------------------------------------------------------------

TYPED_TEST(StoreContractTest, AResumeTokenIsFoundWithItsFamily) {
  const Account alice = this->Created("alice");
  const ResumeFamily family = this->NewFamily(alice.id, kNow);
  const TokenHash token = this->random_.template NewId<TokenHash>();
  EXPECT_THAT(*this->store().PutResume(family, token, 8), IsEmpty());
  this->Reopen();
  EXPECT_EQ(*this->store().FindResume(token), (PresentedResume{family, 0}));
  EXPECT_TRUE(absl::IsNotFound(
      this->store().FindResume(this->random_.template NewId<TokenHash>()).status()));
  const ResumeFamily orphan = this->NewFamily(this->random_.template NewId<UserId>(), kNow);
  const TokenHash another = this->random_.template NewId<TokenHash>();
  EXPECT_TRUE(absl::IsNotFound(this->store().PutResume(orphan, another, 8).status()));
  ResumeFamily second = this->NewFamily(alice.id, kNow);
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().PutResume(second, token, 8).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(this->store().PutResume(second, another, 0).status()));
}

TYPED_TEST(StoreContractTest, AnotherTokenOfTheGenerationVoidsWhatCameOfIt) {
  const Account alice = this->Created("alice");
  ResumeFamily family = this->NewFamily(alice.id, kNow);
  std::vector<TokenHash> tokens;
  for (int i = 0; i < 3; ++i) tokens.push_back(this->random_.template NewId<TokenHash>());
  ASSERT_TRUE(this->store().PutResume(family, tokens[0], 8).ok());
  family.generation = 1;
  ASSERT_TRUE(this->store().PutResume(family, tokens[1], 8).ok());
  TokenRecord access = this->NewToken(alice.id, kNow);
  access.session = family.session;
  access.generation = 1;
  ASSERT_TRUE(this->store().PutToken(access, 8).ok());
  ASSERT_TRUE(this->store().PutResume(family, tokens[2], 8).ok());
  EXPECT_EQ(*this->store().FindResume(tokens[0]), (PresentedResume{family, 0}));
  EXPECT_TRUE(absl::IsNotFound(this->store().FindResume(tokens[1]).status()));
  EXPECT_EQ(*this->store().FindResume(tokens[2]), (PresentedResume{family, 1}));
  EXPECT_THAT(*this->store().ListTokens(kNow), IsEmpty());
}

TYPED_TEST(StoreContractTest, UseMarksTheNewestOnlyAndEndsOlderAccessTokens) {
  const Account alice = this->Created("alice");
  ResumeFamily family = this->NewFamily(alice.id, kNow);
  family.generation = 1;
  const TokenHash token = this->random_.template NewId<TokenHash>();
  ASSERT_TRUE(this->store().PutResume(family, token, 8).ok());
  TokenRecord old = this->NewToken(alice.id, kNow);
  old.hash = family.session;
  TokenRecord renewed = this->NewToken(alice.id, kNow);
  renewed.session = family.session;
  renewed.generation = 1;
  ASSERT_TRUE(this->store().PutToken(old, 8).ok());
  ASSERT_TRUE(this->store().PutToken(renewed, 8).ok());
  ASSERT_TRUE(this->store().UseSession(family.session, 0).ok());
  EXPECT_FALSE(this->store().FindResume(token)->family.newest_used);
  EXPECT_EQ(this->store().ListTokens(kNow)->size(), 2u);
  ASSERT_TRUE(this->store().UseSession(family.session, 1).ok());
  EXPECT_TRUE(this->store().FindResume(token)->family.newest_used);
  EXPECT_THAT(*this->store().ListTokens(kNow), ElementsAre(renewed));
  EXPECT_TRUE(this->store().UseSession(this->random_.template NewId<TokenHash>(), 1).ok());
}

TYPED_TEST(StoreContractTest, OnlySoManyGenerationsAreRemembered) {
  const Account alice = this->Created("alice");
  ResumeFamily family = this->NewFamily(alice.id, kNow);
  std::vector<TokenHash> tokens;
  for (uint32_t i = 0; i <= kMaxResumeTokens; ++i) {
    family.generation = i;
    tokens.push_back(this->random_.template NewId<TokenHash>());
    ASSERT_TRUE(this->store().PutResume(family, tokens.back(), 8).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(this->store().FindResume(tokens[0]).status()));
  EXPECT_TRUE(this->store().FindResume(tokens[1]).ok());
}

TYPED_TEST(StoreContractTest, SessionsEndWithBothKindsOfTokens) {
  const Account alice = this->Created("alice");
  const Account bob = this->Created("bob");
  std::vector<TokenRecord> access;
  std::vector<TokenHash> resume;
  for (const UserId user : {alice.id, alice.id, alice.id, bob.id, bob.id}) {
    access.push_back(this->NewToken(user, kNow + std::chrono::minutes(access.size())));
    ResumeFamily family = this->NewFamily(user, access.back().issued_at);
    family.session = access.back().hash;
    resume.push_back(this->random_.template NewId<TokenHash>());
    ASSERT_TRUE(this->store().PutResume(family, resume.back(), 8).ok());
    ASSERT_TRUE(this->store().PutToken(access.back(), 8).ok());
  }
  const auto known = [&] {
    std::vector<bool> out;
    for (const TokenHash& token : resume) out.push_back(this->store().FindResume(token).ok());
    return out;
  };
  ASSERT_TRUE(this->store().DeleteSession(access[0].hash).ok());
  ASSERT_TRUE(this->store().DeleteSession(access[0].hash).ok());  // Absent already.
  EXPECT_THAT(known(), ElementsAre(false, true, true, true, true));
  ASSERT_TRUE(this->store().DeleteOtherSessions(alice.id, access[2].hash).ok());
  EXPECT_THAT(known(), ElementsAre(false, false, true, true, true));
  EXPECT_THAT(*this->store().ListTokens(kNow),
              UnorderedElementsAre(access[2], access[3], access[4]));
  // By its own limit, and by that of access tokens.
  ResumeFamily family = this->NewFamily(bob.id, kNow + 1h);
  EXPECT_THAT(*this->store().PutResume(family, this->random_.template NewId<TokenHash>(), 2),
              ElementsAre(access[3].hash));
  EXPECT_THAT(*this->store().PutToken(this->NewToken(bob.id, kNow + 1h), 1),
              ElementsAre(access[4].hash));
  EXPECT_THAT(known(), ElementsAre(false, false, true, false, false));
  // An access token ends alone, all of an account's do not.
  ASSERT_TRUE(this->store().DeleteToken(access[2].hash).ok());
  EXPECT_THAT(known(), ElementsAre(false, false, true, false, false));
  ASSERT_TRUE(this->store().DeleteTokensOf(alice.id).ok());
  EXPECT_THAT(known(), ElementsAre(false, false, false, false, false));
}

TYPED_TEST(StoreContractTest, OldFamiliesAreDropped) {
  const Account alice = this->Created("alice");
  ResumeFamily idle = this->NewFamily(alice.id, kNow);
  ResumeFamily old = this->NewFamily(alice.id, kNow);
  old.renewed_at = kNow + 10h;
  ResumeFamily live = this->NewFamily(alice.id, kNow + 1ms);
  live.renewed_at = kNow + 10h;
  std::vector<TokenHash> tokens;
  for (const auto& family : {idle, old, live}) {
    tokens.push_back(this->random_.template NewId<TokenHash>());
    ASSERT_TRUE(this->store().PutResume(family, tokens.back(), 8).ok());
  }
  ASSERT_TRUE(this->store().DropResumesBefore(kNow, kNow - 1h).ok());
  EXPECT_FALSE(this->store().FindResume(tokens[0]).ok());
  EXPECT_TRUE(this->store().FindResume(tokens[1]).ok());
  ASSERT_TRUE(this->store().DropResumesBefore(kNow, kNow).ok());
  EXPECT_FALSE(this->store().FindResume(tokens[1]).ok());
  EXPECT_TRUE(this->store().FindResume(tokens[2]).ok());
  ASSERT_TRUE(this->store().DeleteAccount(alice.id).ok());
  EXPECT_FALSE(this->store().FindResume(tokens[2]).ok());
}

// ---- Introductions and addresses ----------------------------------------------------------------

TYPED_TEST(StoreContractTest, IntroductionStaysUntilBothPartiesAcknowledged) {
  IntroductionRecord intro = this->NewIntroduction(kNow);
  ASSERT_TRUE(this->store().PutIntroduction(intro).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().PutIntroduction(intro)));
  EXPECT_TRUE(this->store().AckIntroduction(intro.id, this->random_.template NewId<UserId>()).ok());
  EXPECT_TRUE(this->store().AckIntroduction(intro.id, intro.target).ok());
  EXPECT_TRUE(this->store().AckIntroduction(intro.id, intro.target).ok());
  this->Reopen();
  intro.target_acked = true;
  EXPECT_THAT(*this->store().ListIntroductions(), ElementsAre(intro));
  EXPECT_TRUE(this->store().AckIntroduction(intro.id, intro.requester).ok());
  EXPECT_THAT(*this->store().ListIntroductions(), IsEmpty());
  EXPECT_TRUE(this->store().AckIntroduction(intro.id, intro.requester).ok());  // Absent: OK.
}

TYPED_TEST(StoreContractTest, OldIntroductionsAreDropped) {
  const IntroductionRecord old = this->NewIntroduction(kNow - 1ms);
  const IntroductionRecord young = this->NewIntroduction(kNow);
  ASSERT_TRUE(this->store().PutIntroduction(old).ok());
  ASSERT_TRUE(this->store().PutIntroduction(young).ok());
  EXPECT_TRUE(this->store().DropIntroductionsBefore(kNow).ok());
  EXPECT_THAT(*this->store().ListIntroductions(), ElementsAre(young));
}

TYPED_TEST(StoreContractTest, AddressesAreUpdatedListedAndDroppedByTime) {
  const auto v4 = *net::IpAddress::Parse("10.0.0.7");
  const auto v6 = *net::IpAddress::Parse("2001:db8::1");
  const UserId alice = this->random_.template NewId<UserId>();
  const UserId bob = this->random_.template NewId<UserId>();
  ASSERT_TRUE(this->store()
                  .PutAddresses({{v4, alice, kNow - 10min}, {v4, bob, kNow}, {v6, alice, kNow}})
                  .ok());
  ASSERT_TRUE(this->store().PutAddresses({{v4, alice, kNow - 5min}}).ok());
  this->Reopen();
  EXPECT_THAT(*this->store().ListAddresses(kNow - 5min),
              UnorderedElementsAre(AddressRecord{v4, alice, kNow - 5min},
                                   AddressRecord{v4, bob, kNow}, AddressRecord{v6, alice, kNow}));
  EXPECT_EQ(this->store().ListAddresses(kNow)->size(), 2u);
  EXPECT_TRUE(this->store().DropAddressesBefore(kNow).ok());
  EXPECT_EQ(this->store().ListAddresses(WallFromMs(0))->size(), 2u);
}

// ---- Broadcasts ---------------------------------------------------------------------------------

TYPED_TEST(StoreContractTest, BroadcastComesBackAsItWas) {
  BroadcastRecord record = this->NewBroadcast(this->random_.template NewId<UserId>(), kNow,
                                              std::string("a\0b \xF0\x9F\x98\x80", 8));
  record.idempotency_key = "key";
  record.omit_sender = true;
  ASSERT_TRUE(this->store().PutBroadcast(record).ok());
  this->Reopen();
  EXPECT_EQ(*this->store().GetBroadcast(record.id), record);
  EXPECT_TRUE(absl::IsNotFound(
      this->store().GetBroadcast(this->random_.template NewId<BroadcastId>()).status()));
}

TYPED_TEST(StoreContractTest, IdempotencyKeysAreUniquePerSender) {
  const UserId alice = this->random_.template NewId<UserId>();
  const UserId bob = this->random_.template NewId<UserId>();
  BroadcastRecord first = this->NewBroadcast(alice, kNow);
  first.idempotency_key = "k";
  ASSERT_TRUE(this->store().PutBroadcast(first).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().PutBroadcast(first)));
  BroadcastRecord again = this->NewBroadcast(alice, kNow);
  again.idempotency_key = "k";
  EXPECT_TRUE(absl::IsAlreadyExists(this->store().PutBroadcast(again)));
  EXPECT_TRUE(absl::IsNotFound(this->store().GetBroadcast(again.id).status()));
  again.sender = bob;
  EXPECT_TRUE(this->store().PutBroadcast(again).ok());
  EXPECT_EQ(this->store().FindBroadcastByKey(alice, "k")->id, first.id);
  EXPECT_EQ(this->store().FindBroadcastByKey(bob, "k")->id, again.id);
  EXPECT_TRUE(absl::IsNotFound(this->store().FindBroadcastByKey(alice, "K").status()));
}

TYPED_TEST(StoreContractTest, EmptyKeysNeverCollideAndAreNeverFound) {
  const UserId alice = this->random_.template NewId<UserId>();
  this->Sent(alice, kNow);
  this->Sent(alice, kNow);
  EXPECT_TRUE(absl::IsNotFound(this->store().FindBroadcastByKey(alice, "").status()));
}

TYPED_TEST(StoreContractTest, LiveMeansNotExpiredAndNotRevoked) {
  const UserId alice = this->random_.template NewId<UserId>();
  const BroadcastRecord young = this->Sent(alice, kNow - 1min);
  const BroadcastRecord old = this->Sent(alice, kNow - 29min);
  this->Sent(alice, kNow - 30min);  // Expires now: not live any more.
  const BroadcastRecord revoked = this->Sent(alice, kNow - 2min);
  EXPECT_TRUE(this->store().RevokeBroadcast(revoked.id).ok());
  EXPECT_TRUE(
      absl::IsNotFound(this->store().RevokeBroadcast(this->random_.template NewId<BroadcastId>())));
  EXPECT_THAT(*this->store().ListLiveBroadcasts(kNow), ElementsAre(old, young));
  EXPECT_TRUE(this->store().GetBroadcast(revoked.id)->revoked);
}

TYPED_TEST(StoreContractTest, BroadcastsAreListedNewestFirstWithoutTexts) {
  const UserId alice = this->random_.template NewId<UserId>();
  const UserId bob = this->random_.template NewId<UserId>();
  BroadcastRecord a = this->Sent(alice, kNow);
  BroadcastRecord b = this->Sent(bob, kNow + 1s);
  BroadcastRecord c = this->Sent(alice, kNow + 2s);
  this->Sent(alice, kNow - 1ms);
  for (auto* record : {&a, &b, &c}) record->text.clear();
  EXPECT_THAT(*this->store().ListBroadcasts(std::nullopt, kNow, 100), ElementsAre(c, b, a));
  EXPECT_THAT(*this->store().ListBroadcasts(std::nullopt, kNow, 2), ElementsAre(c, b));
  EXPECT_THAT(*this->store().ListBroadcasts(alice, kNow, 100), ElementsAre(c, a));
}

// ---- The ledger ---------------------------------------------------------------------------------

TYPED_TEST(StoreContractTest, DueRowsAreInsertedOnceAndKeptAsTheyAre) {
  const Account alice = this->Created("alice");
  const BroadcastRecord hello = this->Sent(alice.id, kNow);
  const DeliveryRecord first{hello.id, alice.id, kNow};
  ASSERT_TRUE(this->store().PutDue({first}).ok());
  ASSERT_TRUE(this->store().PutDue({{hello.id, alice.id, kNow + 1min}}).ok());
  this->Reopen();
  EXPECT_THAT(*this->store().ListDeliveries(hello.id), ElementsAre(first));
}

TYPED_TEST(StoreContractTest, DueRowsOfUnknownAccountsOrBroadcastsAreLeftOut) {
  const Account alice = this->Created("alice");
  const BroadcastRecord hello = this->Sent(alice.id, kNow);
  const DeliveryRecord row{hello.id, alice.id, kNow};
  EXPECT_TRUE(this->store()
                  .PutDue({{hello.id, this->random_.template NewId<UserId>(), kNow},
                           {this->random_.template NewId<BroadcastId>(), alice.id, kNow},
                           row})
                  .ok());
  EXPECT_THAT(*this->store().ListDeliveries(hello.id), ElementsAre(row));
}

TYPED_TEST(StoreContractTest, DeliveryIsWrittenOnceAndNeverChanges) {
  const Account alice = this->Created("alice");
  const BroadcastRecord hello = this->Sent(alice.id, kNow);
  EXPECT_TRUE(
      absl::IsNotFound(this->store().MarkDelivered(hello.id, alice.id, DeliveryVia::kUdp, kNow)));
  ASSERT_TRUE(this->store().PutDue({{hello.id, alice.id, kNow}}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      this->store().MarkDelivered(hello.id, alice.id, DeliveryVia::kNone, kNow)));
  EXPECT_TRUE(this->store().MarkDelivered(hello.id, alice.id, DeliveryVia::kUdp, kNow + 1s).ok());
  EXPECT_TRUE(
      this->store().MarkDelivered(hello.id, alice.id, DeliveryVia::kChannel, kNow + 2s).ok());
  EXPECT_TRUE(this->store().PutDue({{hello.id, alice.id, kNow + 3s}}).ok());
  this->Reopen();
  EXPECT_THAT(*this->store().ListDeliveries(hello.id),
              ElementsAre(DeliveryRecord{hello.id, alice.id, kNow, DeliveryVia::kUdp, kNow + 1s}));
}

TYPED_TEST(StoreContractTest, DeliveriesAreCounted) {
  const Account alice = this->Created("alice");
  const Account bob = this->Created("bob");
  const BroadcastRecord hello = this->Sent(alice.id, kNow);
  EXPECT_EQ(*this->store().CountDeliveries(hello.id), DeliveryCounts{});
  ASSERT_TRUE(this->store().PutDue({{hello.id, alice.id, kNow}, {hello.id, bob.id, kNow}}).ok());
  ASSERT_TRUE(this->store().MarkDelivered(hello.id, bob.id, DeliveryVia::kUdp, kNow).ok());
  EXPECT_EQ(*this->store().CountDeliveries(hello.id), (DeliveryCounts{.due = 2, .delivered = 1}));
}

TYPED_TEST(StoreContractTest, PurgeTakesExpiredTextAndThenTheDetails) {
  const Account alice = this->Created("alice");
  const BroadcastRecord expired = this->Sent(alice.id, kNow - 1h, "expired text");
  const BroadcastRecord live = this->Sent(alice.id, kNow - 1min, "live text");
  const BroadcastRecord ancient = this->Sent(alice.id, kNow - 25h, "ancient text");
  for (const auto& b : {expired, live, ancient}) {
    ASSERT_TRUE(this->store().PutDue({{b.id, alice.id, kNow}}).ok());
  }
  ASSERT_TRUE(this->store().PurgeBroadcasts(kNow, kNow - 24h).ok());
  EXPECT_EQ(this->store().GetBroadcast(live.id)->text, "live text");
  BroadcastRecord silent = expired;
  silent.text.clear();
  EXPECT_EQ(*this->store().GetBroadcast(expired.id), silent);
  EXPECT_EQ(this->store().ListDeliveries(expired.id)->size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(this->store().GetBroadcast(ancient.id).status()));
  EXPECT_THAT(*this->store().ListDeliveries(ancient.id), IsEmpty());
}

TYPED_TEST(StoreContractTest, PurgeWorksInsideAGroup) {
  const Account alice = this->Created("alice");
  const BroadcastRecord expired = this->Sent(alice.id, kNow - 1h, "expired text");
  ASSERT_TRUE(
      this->store().Group([&] { return this->store().PurgeBroadcasts(kNow, kNow - 24h); }).ok());
  EXPECT_EQ(this->store().GetBroadcast(expired.id)->text, "");
}

}  // namespace
}  // namespace p2p::server
