#include "common/relay/relay_token.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/net/file.h"

namespace p2p::relay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RelayTokenTest, WhatIsMadeIsReadBack) {
  SeededRandom random(1);
  const SecretText token = MakeRelayToken(random);
  EXPECT_EQ(token.view().size(), 44u);
  const auto read = ParseRelayToken(absl::StrCat("  ", token.view(), "\r\n"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->view(), token.view());
}

TEST(RelayTokenTest, EitherAlphabetWithOrWithoutPadding) {
  const std::string digits(41, 'x');
  for (const std::string& text : {digits + "+/", digits + "-_", digits + "+/="}) {
    EXPECT_TRUE(ParseRelayToken(text).ok()) << text;
  }
}

TEST(RelayTokenTest, WhatIsTooShortTooLongOrNoWordIsRefusedAndNotQuoted) {
  for (const std::string& text : {std::string(), std::string(42, 'x'), std::string(513, 'x'),
                                  absl::StrCat(std::string(43, 'x'), " y"), std::string(50, '!'),
                                  absl::StrCat(std::string(42, 'x'), "==")}) {
    const auto read = ParseRelayToken(text);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << text;
    EXPECT_THAT(std::string(read.status().message()), Not(HasSubstr("xxx")));
  }
}

class SecretFileTest : public ::testing::Test {
 protected:
  SecretFileTest() {
    ::close(::mkstemp(path_));
    std::ofstream(path_) << "a secret";
  }
  ~SecretFileTest() override { std::remove(path_); }
  char path_[32] = "/tmp/p2p-secret-XXXXXX";
};

TEST_F(SecretFileTest, IsReadWhenOnlyTheOwnerMay) {
  for (const mode_t mode : {0600u, 0400u, 0700u}) {
    ASSERT_EQ(::chmod(path_, mode), 0);
    const auto text = net::ReadSecretFile(path_, 100);
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(text->view(), "a secret");
  }
}

TEST_F(SecretFileTest, IsRefusedWhenGroupOrOthersMayDoAnything) {
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0610u, 0601u}) {
    ASSERT_EQ(::chmod(path_, mode), 0);
    const auto text = net::ReadSecretFile(path_, 100);
    EXPECT_TRUE(absl::IsPermissionDenied(text.status())) << mode;
    EXPECT_THAT(std::string(text.status().message()), HasSubstr("chmod 600"));
  }
}

TEST_F(SecretFileTest, ACredentialOfAServiceMayBeReadableForTheGroup) {
  ::setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
  ASSERT_EQ(::chmod(path_, 0440), 0);
  EXPECT_TRUE(net::ReadSecretFile(path_, 100).ok());
  EXPECT_FALSE(net::ReadSecretFile(absl::StrCat("/tmp/../", path_), 100).ok());
  for (const mode_t mode : {0460u, 0444u}) {
    ASSERT_EQ(::chmod(path_, mode), 0);
    EXPECT_FALSE(net::ReadSecretFile(path_, 100).ok()) << mode;
  }
  ::setenv("CREDENTIALS_DIRECTORY", "/elsewhere", 1);
  ASSERT_EQ(::chmod(path_, 0440), 0);
  EXPECT_FALSE(net::ReadSecretFile(path_, 100).ok());
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(SecretFileTest, MustBeAFileOfTheExpectedSize) {
  ASSERT_EQ(::chmod(path_, 0600), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(net::ReadSecretFile(path_, 7).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(net::ReadSecretFile("/dev/null", 7).status()));
  EXPECT_TRUE(absl::IsNotFound(net::ReadSecretFile("/no/such/file", 7).status()));
}

}  // namespace
}  // namespace p2p::relay
