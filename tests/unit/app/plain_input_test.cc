#include "peer-client/app/plain_input.h"

#include <gtest/gtest.h>

namespace p2p::client {
namespace {

template <class T>
bool Means(absl::string_view line, const PlainContext& context) {
  return std::holds_alternative<T>(ParsePlain(line, context));
}

TEST(PlainInputTest, OneAndTwoAreTheOfferedChoices) {
  EXPECT_TRUE(Means<cmd::Login>("1", {}));
  EXPECT_TRUE(Means<cmd::Signup>(" 2 ", {}));
  EXPECT_TRUE(Means<cmd::Login>("Log in", {}));
  const PlainContext in{.logged_in = true, .request_waits = false, .focus = ""};
  EXPECT_TRUE(Means<cmd::List>("1", in));
  EXPECT_TRUE(Means<cmd::Broadcast>("2", in));
  EXPECT_TRUE(Means<cmd::Bad>("hello", in));
  EXPECT_TRUE(Means<cmd::Help>("help", in));
}

TEST(PlainInputTest, YesAnswersARequestOnlyWhenOneWaits) {
  PlainContext context{.logged_in = true, .request_waits = false, .focus = ""};
  EXPECT_TRUE(Means<cmd::Bad>("y", context));
  context.request_waits = true;
  EXPECT_TRUE(Means<cmd::Approve>("y", context));
  EXPECT_TRUE(Means<cmd::Deny>("No", context));
}

TEST(PlainInputTest, TextGoesToTheConversationInViewAndNothingElseHappensByIt) {
  const PlainContext context{.logged_in = true, .request_waits = true, .focus = "bob"};
  for (const char* line : {"1", "yes", " two  spaces", "quit"}) {
    Command command = ParsePlain(line, context);
    ASSERT_TRUE(std::holds_alternative<cmd::Msg>(command)) << line;
    EXPECT_EQ(std::get<cmd::Msg>(command).peer, "bob");
    EXPECT_EQ(std::get<cmd::Msg>(command).text, line);
  }
  EXPECT_TRUE(Means<cmd::List>("/list", context));
  Command escaped = ParsePlain("//etc/hosts", context);
  EXPECT_EQ(std::get<cmd::Msg>(escaped).text, "/etc/hosts");
}

}  // namespace
}  // namespace p2p::client
