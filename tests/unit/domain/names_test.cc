#include "control-server/domain/names.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace p2p::server {
namespace {

TEST(NamesTest, AcceptsWhatTheRuleSays) {
  for (const std::string& good :
       {std::string("bob"), std::string("Alice"), std::string("a.b-c_9"), std::string(32, 'x')}) {
    EXPECT_TRUE(CheckNewUsername(good).ok()) << good;
  }
}

TEST(NamesTest, RefusesEverythingElseAndNamesTheField) {
  for (const std::string& bad :
       {std::string(), std::string("ab"), std::string(33, 'x'), std::string("9lives"),
        std::string("_me"), std::string("a b"), std::string("bob\n"),
        std::string("b\xC3\xB6"
                    "b"),
        std::string("al\0ce", 5), std::string("10.0.0.7")}) {
    const auto status = CheckNewUsername(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_TRUE(absl::StartsWith(status.message(), "username")) << status;
  }
}

TEST(NamesTest, ReservedNamesAreRefusedInAnyCaseButHaveTheShape) {
  for (const char* name : {"admin", "Server", "SYSTEM", "everyone", "root", "relay", "all"}) {
    EXPECT_TRUE(IsReservedUsername(name)) << name;
    EXPECT_TRUE(HasUsernameShape(name)) << name;
    EXPECT_FALSE(CheckNewUsername(name).ok()) << name;
  }
  EXPECT_FALSE(IsReservedUsername("alice"));
}

TEST(NamesTest, NamesThatDifferInCaseOnlyAreOne) {
  EXPECT_EQ(FoldUsername("Al.Ice-9"), FoldUsername("aL.iCE-9"));
}

TEST(NamesTest, NamesThatCanBeTakenForEachOtherHaveOneSkeleton) {
  EXPECT_EQ(NameSkeleton("Bob"), NameSkeleton("b0b"));
  EXPECT_EQ(NameSkeleton("Bill"), NameSkeleton("B1Il"));
  EXPECT_EQ(NameSkeleton("modern"), NameSkeleton("modem"));
  EXPECT_NE(NameSkeleton("alice"), NameSkeleton("a.lice"));
  EXPECT_NE(NameSkeleton("user10"), NameSkeleton("user11"));
}

TEST(PasswordTest, CountsCharactersNotBytes) {
  std::string wide;
  for (int i = 0; i < 256; ++i) wide += "\xF0\x9F\x98\x80";
  EXPECT_TRUE(CheckNewPassword("12345678").ok());
  EXPECT_TRUE(CheckNewPassword(wide).ok());
  EXPECT_FALSE(CheckNewPassword(wide + "x").ok());
  EXPECT_FALSE(CheckNewPassword("1234567").ok());
  EXPECT_FALSE(
      CheckNewPassword("\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6").ok());  // Eight bytes, four letters.
}

TEST(PasswordTest, SaysWhichFieldAndNeverThePassword) {
  for (const std::string& bad : {std::string(), std::string("hunter2"), std::string(257, 'q'),
                                 std::string("hunter2\xFFxx")}) {
    const auto status = CheckNewPassword(bad, "new_password");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(absl::StartsWith(status.message(), "new_password")) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "hunter2")) << status;
  }
}

}  // namespace
}  // namespace p2p::server
