#include "peer-client/state/data_directory.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/crypto/certificate.h"

namespace p2p::client {
namespace {

using ::testing::HasSubstr;

class DataDirectoryTest : public ::testing::Test {
 protected:
  DataDirectoryTest() {
    std::string name = (std::filesystem::temp_directory_path() / "p2p-state-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~DataDirectoryTest() override { std::filesystem::remove_all(path_); }
  std::unique_ptr<DataDirectory> Open() {
    auto opened = DataDirectory::Open(path_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  static std::string Fingerprint(uint8_t fill) {
    crypto::Digest256 digest;
    digest.fill(fill);
    return crypto::FingerprintText(digest);
  }
  static Session MakeSession() {
    return {"alice",      Bytes(16, 7), SecretText("secret-token"), WallFromMs(1234567), {},
            Bytes(32, 1), Bytes(32, 2), SecretText("renewal-token")};
  }
  std::string path_;
};

TEST_F(DataDirectoryTest, OneClientAtATimeAndTheOtherIsNamed) {
  auto first = Open();
  const auto second = DataDirectory::Open(path_);
  ASSERT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("already in use by pid ", ::getpid())));
  first.reset();
  EXPECT_TRUE(DataDirectory::Open(path_).ok());
}

TEST_F(DataDirectoryTest, TheDeviceKeyStaysAndADamagedOneIsNotReplaced) {
  const auto key = Open()->device_key().public_key();
  EXPECT_EQ(Open()->device_key().public_key(), key);
  std::ofstream(path_ + "/device.key") << "nonsense";
  EXPECT_TRUE(absl::IsDataLoss(DataDirectory::Open(path_).status()));
}

TEST_F(DataDirectoryTest, KnownServersAreKeptLastUsedFirst) {
  auto state = Open();
  EXPECT_TRUE(state->KnownServers()->empty());
  ASSERT_TRUE(state->Remember({"a:4400", Fingerprint(1), "alice"}).ok());
  ASSERT_TRUE(state->Remember({"[::1]:4401", Fingerprint(2), ""}).ok());
  ASSERT_TRUE(state->Remember({"a:4400", Fingerprint(3), "not a name"}).ok());
  const auto known = *state->KnownServers();
  ASSERT_EQ(known.size(), 2u);
  EXPECT_EQ(known[0].endpoint, "a:4400");
  EXPECT_EQ(known[0].fingerprint, Fingerprint(3));
  EXPECT_EQ(known[0].account, "");
  EXPECT_EQ(known[1].endpoint, "[::1]:4401");
}

TEST_F(DataDirectoryTest, ADamagedListOfServersIsNotForgottenSilently) {
  auto state = Open();
  std::ofstream(path_ + "/known_servers") << "a:4400 SHA256:short alice\n";
  EXPECT_TRUE(absl::IsDataLoss(state->KnownServers().status()));
  EXPECT_FALSE(state->Remember({"b:4400", Fingerprint(1), ""}).ok());
}

TEST_F(DataDirectoryTest, SessionsAreKeyedByTheServersKeyAndPrivate) {
  auto state = Open();
  ASSERT_TRUE(state->SaveSession(Fingerprint(1), MakeSession()).ok());
  const auto loaded = state->LoadSession(Fingerprint(1));
  ASSERT_TRUE(loaded.ok() && loaded->has_value()) << loaded.status();
  EXPECT_EQ((*loaded)->username, "alice");
  EXPECT_EQ((*loaded)->token.view(), "secret-token");
  EXPECT_EQ((*loaded)->resume_token.view(), "renewal-token");
  EXPECT_EQ((*loaded)->user_id, Bytes(16, 7));
  EXPECT_EQ((*loaded)->expires_at, WallFromMs(1234567));
  EXPECT_EQ((*loaded)->broadcast_key, Bytes(32, 2));
  EXPECT_FALSE(state->LoadSession(Fingerprint(2))->has_value());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0u) << entry.path();
  }
}

TEST_F(DataDirectoryTest, AccountsHaveDirectoriesOfTheirOwn) {
  auto state = Open();
  Session other = MakeSession();
  other.user_id = Bytes(16, 8);
  const auto a = state->AccountDirectory(Fingerprint(1), MakeSession());
  const auto b = state->AccountDirectory(Fingerprint(1), other);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(*a, *b);
  other.user_id.clear();
  EXPECT_FALSE(state->AccountDirectory(Fingerprint(1), other).ok());
}

TEST(EndpointTest, RoundTripsNamesAndAddresses) {
  for (const char* host : {"home", "10.0.0.1", "::1", "fe80::1"}) {
    const auto parsed = ParseEndpoint(EndpointText(host, 4400));
    ASSERT_TRUE(parsed.has_value()) << host;
    EXPECT_EQ(parsed->first, host);
    EXPECT_EQ(parsed->second, 4400);
  }
  for (const char* bad :
       {"", "home", "home:", ":4400", "home:0", "home:65536", "[::1:4400", "[[a]:1", "a]:1"}) {
    EXPECT_FALSE(ParseEndpoint(bad)) << bad;
  }
}

TEST(FingerprintTest, ReadsWhatTheServerPrintsAndNothingElse) {
  crypto::Digest256 digest;
  digest.fill(0xfb);  // '+' and '/' in base64.
  const std::string text = crypto::FingerprintText(digest);
  EXPECT_EQ(ParseFingerprint(text), digest);
  for (const char* bad : {"", "SHA256:", "SHA256:abc", "MD5:abc"}) {
    EXPECT_FALSE(ParseFingerprint(bad)) << bad;
  }
  EXPECT_FALSE(ParseFingerprint(text + "A"));
}

}  // namespace
}  // namespace p2p::client
