#include "peer-client/app/command.h"

#include <gtest/gtest.h>

namespace p2p::client {
namespace {

template <class T>
T Parsed(absl::string_view line) {
  Command command = ParseSlash(line);
  T* parsed = std::get_if<T>(&command);
  EXPECT_NE(parsed, nullptr) << line;
  return parsed ? std::move(*parsed) : T{};
}

TEST(ParseSlashTest, ReadsWhatTheContractLists) {
  EXPECT_FALSE(Parsed<cmd::Signup>("/signup").username);
  EXPECT_EQ(Parsed<cmd::Login>("/login alice").username, "alice");
  Parsed<cmd::List>("  /LIST ");
  const auto request = Parsed<cmd::Request>("/request bob hello there  bob");
  EXPECT_EQ(request.peer, "bob");
  EXPECT_EQ(request.reason, "hello there  bob");
  EXPECT_FALSE(request.confirmed);
  EXPECT_EQ(Parsed<cmd::Approve>("/approve 12ab").request_id, "12ab");
  EXPECT_EQ(Parsed<cmd::Deny>("/deny").request_id, "");
  EXPECT_EQ(Parsed<cmd::Msg>("/msg bob  how are you?").text, "how are you?");
  EXPECT_EQ(Parsed<cmd::Broadcast>("/broadcast tea is ready").text, "tea is ready");
  EXPECT_FALSE(Parsed<cmd::Broadcast>("/broadcast").text);
  EXPECT_EQ(Parsed<cmd::SendFile>("/sendfile bob /tmp/a b").path, "/tmp/a b");
  EXPECT_EQ(Parsed<cmd::AcceptFile>("/accept-file 7").id, "7");
  Parsed<cmd::Penalties>("/penalties");
  Parsed<cmd::Quit>("/quit");
}

TEST(ParseSlashTest, SaysWhatIsExpectedInstead) {
  EXPECT_EQ(Parsed<cmd::Bad>("/msg bob").message, "usage: /msg NAME TEXT");
  EXPECT_EQ(Parsed<cmd::Bad>("/request").message, "usage: /request NAME-or-ADDRESS [REASON]");
  EXPECT_NE(Parsed<cmd::Bad>("/frobnicate now").message.find("/frobnicate"), std::string::npos);
  EXPECT_NE(Parsed<cmd::Bad>("hello").message.find("/help"), std::string::npos);
}

TEST(ParseSlashTest, HistoryIsShownUpToAThousandLines) {
  EXPECT_EQ(std::get<cmd::History>(ParseSlash("/history bob 7")).most, 7u);
  EXPECT_EQ(std::get<cmd::History>(ParseSlash("/history bob 4000000000")).most, 1000u);
  EXPECT_TRUE(std::holds_alternative<cmd::Bad>(ParseSlash("/history bob 0")));
}

TEST(ParseSlashTest, RefusesAPasswordOnTheCommandLine) {
  EXPECT_NE(Parsed<cmd::Bad>("/login alice secret").message.find("asked for"), std::string::npos);
}

}  // namespace
}  // namespace p2p::client
