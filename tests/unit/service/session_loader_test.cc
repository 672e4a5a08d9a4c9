#include "control-server/service/session_loader.h"

#include <gmock/gmock.h>

#include "common/base/random.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {
namespace {

class SessionLoaderTest : public ::testing::Test {
 protected:
  UserId AddAccount(const std::string& username, bool disabled = false) {
    Account account;
    account.id = random_.NewId<UserId>();
    account.username = username;
    account.disabled = disabled;
    EXPECT_TRUE(store_.CreateAccount(account).ok());
    return account.id;
  }
  TokenHash AddToken(UserId user, std::chrono::milliseconds life) {
    TokenRecord token;
    token.hash = random_.NewId<TokenHash>();
    token.account = user;
    token.chat_port = 4400;
    token.expires_at = now_ + life;
    EXPECT_TRUE(store_.PutToken(token, 8).ok());
    return token.hash;
  }

  SeededRandom random_{3};
  MemoryStore store_;
  const WallTime now_ = WallFromMs(1'700'000'000'000);
};

TEST_F(SessionLoaderTest, LiveTokensOfEnabledAccountsComeBack) {
  const UserId alice = AddAccount("Alice");
  const UserId mallory = AddAccount("mallory", true);
  const TokenHash live = AddToken(alice, 1h);
  AddToken(alice, 0ms);
  AddToken(mallory, 1h);
  const auto sessions = LoadSessions(store_, now_);
  ASSERT_TRUE(sessions.ok()) << sessions.status();
  ASSERT_EQ(sessions->size(), 1u);
  EXPECT_EQ(sessions->front()->token.hash, live);
  EXPECT_EQ(sessions->front()->user, alice);
  EXPECT_EQ(sessions->front()->username, "Alice");
  EXPECT_EQ(sessions->front()->token.chat_port, 4400);
}

TEST_F(SessionLoaderTest, AnEmptyStoreHasNone) { EXPECT_TRUE(LoadSessions(store_, now_)->empty()); }

}  // namespace
}  // namespace p2p::server
