#include "control-server/admin/user_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/password.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr WallTime kNow = WallFromMs(1'700'000'000'000);

class UserCsvTest : public ::testing::Test {
 protected:
  absl::StatusOr<ImportCounts> Import(absl::string_view csv) {
    return ImportUsers(access_, csv, random_, kNow);
  }
  std::string Complaint(absl::string_view csv) {
    const auto result = Import(csv);
    EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
    EXPECT_THAT(*store_.ListAccounts(), IsEmpty()) << "not all or nothing";
    return std::string(result.status().message());
  }
  SeededRandom random_{1};
  MemoryStore store_;
  DirectStore access_{store_};
};

TEST_F(UserCsvTest, PasswordsAreHashedAndWork) {
  const auto counts = Import("username,password\r\nalice,\"correct, horse\"\r\nbob,'=battery\r\n");
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->created, 2u);
  EXPECT_TRUE(crypto::VerifyPassword("correct, horse", store_.FindAccount("alice")->phc));
  EXPECT_TRUE(crypto::VerifyPassword("'=battery", store_.FindAccount("bob")->phc));
  EXPECT_EQ(store_.FindAccount("alice")->created_at, kNow);
}

TEST_F(UserCsvTest, ImportingAgainChangesNothing) {
  const char* csv = "username,password\nalice,password-1\n";
  ASSERT_TRUE(Import(csv).ok());
  const auto before = *store_.ListAccounts();
  const auto again = Import(csv);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->created, 0u);
  EXPECT_EQ(again->unchanged, 1u);
  EXPECT_EQ(*store_.ListAccounts(), before);
}

TEST_F(UserCsvTest, AnExistingNameWithAnotherPasswordStopsEverything) {
  ASSERT_TRUE(Import("username,password\nalice,password-1\n").ok());
  const auto result = Import("username,password\nbob,password-2\nAlice,password-3\n");
  EXPECT_THAT(std::string(result.status().message()),
              AllOf(HasSubstr("line 3"), Not(HasSubstr("password-3"))));
  EXPECT_THAT(*store_.ListAccounts(), SizeIs(1));
}

TEST_F(UserCsvTest, EveryBadLineIsNamedAndNothingIsCreated) {
  const std::string text = Complaint(
      "username,password\ngood,password-1\nx,password-1\nserver,password-1\nbob,short\n"
      "carol\nGOOD,password-2\n");
  for (const char* line : {"line 3", "line 4", "line 5", "line 6", "line 7"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, AllOf(Not(HasSubstr("line 2:")), Not(HasSubstr("short"))));
}

TEST_F(UserCsvTest, HeadersAreChecked) {
  EXPECT_THAT(Complaint(""), HasSubstr("line 1"));
  EXPECT_THAT(Complaint("name,password\n"), HasSubstr("header"));
  EXPECT_THAT(Complaint("username,password,extra\n"), HasSubstr("header"));
}

TEST_F(UserCsvTest, HashesFromAFileAreCheckedBeforeTheyCostAnything) {
  EXPECT_THAT(Complaint("username,phc_hash\nalice,plain text\n"), HasSubstr("line 2"));
  EXPECT_THAT(Complaint("username,phc_hash\nalice,\"$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$"
                        "aGFzaGhhc2hoYXNoaGFzaA\"\n"),
              HasSubstr("line 2"));
}

TEST_F(UserCsvTest, ExportGoesIntoAnotherStoreAndBackUnchanged) {
  ASSERT_TRUE(Import("username,password\nbob,password-2\nalice,password-1\n").ok());
  const auto csv = ExportUsers(access_);
  ASSERT_TRUE(csv.ok());
  EXPECT_THAT(*csv, ::testing::StartsWith("\"username\",\"phc_hash\"\r\n\"alice\",\"$argon2id$"));
  MemoryStore other;
  DirectStore access(other);
  const auto counts = ImportUsers(access, *csv, random_, kNow);
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->created, 2u);
  EXPECT_EQ(*ExportUsers(access), *csv);
  EXPECT_TRUE(crypto::VerifyPassword("password-1", other.FindAccount("alice")->phc));
  EXPECT_EQ(ImportUsers(access, *csv, random_, kNow)->unchanged, 2u);
}

TEST_F(UserCsvTest, NamesThatLookAlikeAreImportedAndOnlyTheFirstClaims) {
  ASSERT_TRUE(Import("username,password\nbill,password-1\nbi1l,password-2\n").ok());
  EXPECT_EQ(store_.FindAccount("bill")->skeleton, "blll");
  EXPECT_EQ(store_.FindAccount("bi1l")->skeleton, "");
}

TEST_F(UserCsvTest, ACancelledImportCreatesNothing) {
  int asked = 0;
  const auto result = ImportUsers(access_, "username,password\nalice,password-1\nbob,password-2\n",
                                  random_, kNow, [&asked] { return ++asked == 2; });
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
  EXPECT_THAT(*store_.ListAccounts(), IsEmpty());
}

}  // namespace
}  // namespace p2p::server
