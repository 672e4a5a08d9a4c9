#include "control-server/service/session_table.h"

#include <gmock/gmock.h>

#include "common/base/random.h"

namespace p2p::server {
namespace {

using ::testing::IsNull;
using ::testing::UnorderedElementsAre;

class SessionTableTest : public ::testing::Test {
 protected:
  // Adds a session and returns the token as the client would hold it.
  std::string AddSession(UserId user, Duration life = 12h) {
    const auto token = random_.Array<32>();
    auto caller = std::make_shared<Caller>();
    caller->user = user;
    caller->token.hash = HashToken(token);
    caller->token.account = user;
    caller->token.expires_at =
        clock_.Wall() + std::chrono::duration_cast<std::chrono::milliseconds>(life);
    table_.Add(caller);
    return Base64UrlEncode(token);
  }

  SeededRandom random_{1};
  ManualClock clock_;
  SessionTable table_{clock_};
  const UserId alice_ = random_.NewId<UserId>();
  const UserId bob_ = random_.NewId<UserId>();
};

TEST_F(SessionTableTest, FindsTheCallerOfABearerToken) {
  const std::string token = AddSession(alice_);
  const CallerPtr caller = table_.FindByHeader("Bearer " + token);
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(caller->user, alice_);
  EXPECT_NE(table_.FindByHeader("bearer " + token), nullptr);  // RFC 7235: the scheme has no case.
}

TEST_F(SessionTableTest, AnythingElseIsNobody) {
  const std::string token = AddSession(alice_);
  for (const std::string& header :
       {std::string(), token, "Basic " + token, "Bearer" + token, "Bearer  " + token,
        "Bearer " + token + "=", "Bearer " + token.substr(1), "Bearer " + std::string(43, 'A'),
        std::string("Bearer "), "Bearer " + token + "\n"}) {
    EXPECT_THAT(table_.FindByHeader(header), IsNull()) << header;
  }
}

TEST_F(SessionTableTest, ExpiredAndRemovedTokensAreNobody) {
  const std::string token_short = AddSession(alice_, 1h);
  const std::string token_long = AddSession(alice_, 3h);
  clock_.Advance(1h);
  EXPECT_THAT(table_.FindByHeader("Bearer " + token_short), IsNull());
  const CallerPtr caller = table_.FindByHeader("Bearer " + token_long);
  ASSERT_NE(caller, nullptr);
  EXPECT_THAT(table_.RemoveExpired(), testing::SizeIs(1));
  EXPECT_EQ(table_.size(), 1u);
  table_.Remove(caller->token.hash);
  EXPECT_THAT(table_.FindByHeader("Bearer " + token_long), IsNull());
}

TEST_F(SessionTableTest, AWallClockThatIsSetEndsNoSessionAndRevivesNone) {
  for (const Duration jump : {Duration(1h), -Duration(1h), Duration(24h), -Duration(24h)}) {
    const std::string token = AddSession(alice_, 12h);
    const WallTime before = clock_.Wall();
    clock_.SetWall(before + std::chrono::duration_cast<WallTime::duration>(jump));
    const CallerPtr caller = table_.FindByHeader("Bearer " + token);
    ASSERT_NE(caller, nullptr) << jump.count();
    EXPECT_TRUE(table_.Lives(caller->session())) << jump.count();
    EXPECT_THAT(table_.RemoveExpired(), testing::IsEmpty()) << jump.count();
    clock_.Advance(12h - 1s);
    EXPECT_NE(table_.FindByHeader("Bearer " + token), nullptr) << jump.count();
    clock_.Advance(1s);
    EXPECT_THAT(table_.FindByHeader("Bearer " + token), IsNull()) << jump.count();
    EXPECT_FALSE(table_.Lives(caller->session())) << jump.count();
    clock_.SetWall(before);
    EXPECT_THAT(table_.FindByHeader("Bearer " + token), IsNull()) << jump.count();
    EXPECT_THAT(table_.RemoveExpired(), testing::SizeIs(1)) << jump.count();
  }
}

TEST_F(SessionTableTest, LoadedWithAClockThatIsBehindATokenLivesNoLongerThanItsLife) {
  auto caller = std::make_shared<Caller>();
  caller->token.hash = HashToken(random_.Array<32>());
  caller->token.issued_at = clock_.Wall() + 24h;  // The clock went back a day meanwhile.
  caller->token.expires_at = clock_.Wall() + 36h;
  table_.Add(caller);
  clock_.Advance(12h - 1s);
  EXPECT_NE(table_.Find(caller->token.hash), nullptr);
  clock_.Advance(1s);
  EXPECT_THAT(table_.Find(caller->token.hash), IsNull());
}

TEST_F(SessionTableTest, RemoveAllTakesTheSessionsOfOneAccountOnly) {
  const auto hash = [&](const std::string& token) {
    return table_.FindByHeader("Bearer " + token)->token.hash;
  };
  const std::string bobs = AddSession(bob_);
  const TokenHash first = hash(AddSession(alice_));
  const TokenHash second = hash(AddSession(alice_));
  EXPECT_THAT(table_.RemoveAll(alice_), UnorderedElementsAre(first, second));
  EXPECT_THAT(table_.Find(first), IsNull());
  EXPECT_NE(table_.FindByHeader("Bearer " + bobs), nullptr);
}

}  // namespace
}  // namespace p2p::server
