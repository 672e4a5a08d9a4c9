
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "peer-client/cli/last_said.h"
#include "peer-client/cli/plain_text.h"

namespace p2p::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const WallTime kNow = WallFromMs(1'700'000'000'000);

std::string Shown(const Output& output, PlainStyle style = {}) {
  style.server = "home:4400";
  return ToPlainText(output, kNow, style);
}

TEST(PlainTextTest, OffersTheTwoChoicesLiterally) {
  EXPECT_THAT(Shown(out::LoggedIn{"alice", {}, false}),
              HasSubstr("1) list of active clients  2) broadcast a message\n"));
  EXPECT_THAT(Shown(out::Connected{{Choice::kLogin, Choice::kSignup}, "home", "", false}),
              HasSubstr("1) log in  2) sign up\n"));
  EXPECT_THAT(Shown(out::Connected{{Choice::kLogin}, "home", "", false}),
              Not(HasSubstr("2) sign up")));
  EXPECT_THAT(Shown(out::Connected{{Choice::kLogin, Choice::kSignup}, "home", "", true}),
              Not(HasSubstr("log in")));
}

TEST(PlainTextTest, ABroadcastsStatusNamesTheFirstWhoLackIt) {
  out::BroadcastStatus status;
  status.id = "b1";
  status.due = 14;
  status.delivered = 1;
  status.deliveries.push_back({"has-it", "udp", kNow});
  for (int i = 0; i < 13; ++i) status.deliveries.push_back({absl::StrCat("u", i), "queued", {}});
  const std::string shown = Shown(status);
  EXPECT_THAT(shown, HasSubstr("1 of 14 have it."));
  EXPECT_THAT(shown, HasSubstr("Not yet: u0, u1, "));
  EXPECT_THAT(shown, HasSubstr("u9 and 3 more."));
  EXPECT_THAT(shown, Not(HasSubstr("has-it")));
  status.deliveries.resize(1);
  EXPECT_THAT(Shown(status), Not(HasSubstr("Not yet")));
}

TEST(PlainTextTest, HowFarABroadcastGotIsOneCalmLine) {
  EXPECT_THAT(Shown(out::BroadcastProgress{"b1", 50, 48, 11min + 1s}),
              HasSubstr("Delivered 48/50, 12 min left."));
}

TEST(PlainTextTest, ABroadcastThatWasTakenBackIsStruckAsItWasShown) {
  const out::BroadcastRevoked revoked{"b1", "alice", kNow, "tea\033[0m at\nfive"};
  PlainStyle colour;
  colour.colour = true;
  const std::string struck = Shown(revoked, colour);
  EXPECT_THAT(struck, HasSubstr("Taken back, alice's broadcast of "));
  // Nothing of the text ends the stroke early.
  const size_t begin = struck.find("\033[9m"), end = struck.find("\033[0m", begin);
  ASSERT_NE(end, std::string::npos) << struck;
  const std::string inside = struck.substr(begin + 4, end - begin - 4);
  EXPECT_THAT(inside, HasSubstr("tea"));
  EXPECT_THAT(inside, HasSubstr("five"));
  EXPECT_EQ(struck.substr(end), "\033[0m\n");
  // Without colours the words say it.
  const std::string plain = Shown(revoked);
  EXPECT_THAT(plain, HasSubstr("Taken back, alice's broadcast of "));
  EXPECT_THAT(plain, HasSubstr("tea"));
  EXPECT_THAT(plain, Not(HasSubstr("\033")));
  EXPECT_THAT(Shown(out::BroadcastRevoked{"b1", "", kNow, "tea"}),
              HasSubstr("an anonymous broadcast of "));
}

TEST(PlainTextTest, PenaltiesSayWhatForUntilWhenAndWhatNow) {
  EXPECT_THAT(Shown(out::Penalties{}), HasSubstr("You have no penalties."));
  const std::string shown =
      Shown(out::Penalties{{{"no user of that name\033[2J", kNow, kNow + 60s, "Wait", 3}}});
  EXPECT_THAT(shown, HasSubstr("No user of that name"));
  EXPECT_THAT(shown, HasSubstr("No log-in until "));
  EXPECT_THAT(shown, HasSubstr("3 count"));
  EXPECT_THAT(shown, HasSubstr("Wait."));
  EXPECT_THAT(shown, Not(HasSubstr("\033")));
  const std::string first = Shown(out::Penalties{{{"self", kNow, kNow, "Log in", 1}}});
  EXPECT_THAT(first, Not(HasSubstr("until")));
}

TEST(PlainTextTest, TextFromOthersCannotSteerTheTerminalNorFakeASpeaker) {
  const std::string chat =
      Shown(out::Chat{"bob\033[31m\n12:00 <eve", "id", "hi\n12:01 <alice> I owe you", kNow, false});
  EXPECT_THAT(chat, Not(HasSubstr("\033")));
  EXPECT_THAT(chat, HasSubstr("\n  | 12:01 <alice>"));
  EXPECT_THAT(chat, Not(HasSubstr("\n12:0")));
  for (const Output& output :
       {Output(out::Error{"X", "bad\033]0;title\a", ""}), Output(out::Penalised{"\033c", kNow, ""}),
        Output(out::Broadcast{"b", "eve\033[2J", kNow, kNow, "\xc2\x9b", "udp", false}),
        Output(out::Active{{{"eve\033[2J", "10.0.0.1\033"}}, {}}),
        Output(out::PeerRequest{"r", "eve", "10.0.0.1", "\033[2J", 60s})}) {
    EXPECT_THAT(Shown(output), Not(HasSubstr("\033")));
    EXPECT_THAT(Shown(output), Not(HasSubstr("\xc2\x9b")));
  }
}

TEST(PlainTextTest, ABroadcastCarriesItsSenderDateAndTime) {
  const std::string text =
      Shown(out::Broadcast{"b", "alice", kNow, kNow, "Tea is ready.", "udp", false});
  EXPECT_THAT(text, HasSubstr("Broadcast from alice, 2023-11-1"));
  EXPECT_THAT(text, HasSubstr("] Tea is ready.\n"));
  EXPECT_THAT(Shown(out::Broadcast{"b", "", kNow, kNow, "x", "udp", false}),
              HasSubstr("Anonymous broadcast"));
}

TEST(PlainTextTest, RetriesSayWhyAndWhen) {
  EXPECT_THAT(Shown(out::Retry{4800ms, 1, 6, RetryReason::kFull, "full: 50 of 50"}),
              HasSubstr("The server is full (full: 50 of 50); next try in 5 s (1 of 6)."));
  EXPECT_THAT(Shown(out::Retry{150s, 7, 0, RetryReason::kUnreachable, "nobody listens there"}),
              HasSubstr("Cannot reach home:4400: nobody listens there; next try in 3 min."));
}

TEST(PlainTextTest, ARequestSaysHowToAnswerItWhereTypingYesWouldGoToAnotherPeer) {
  const out::PeerRequest request{"r", "carol", "10.0.0.9", "hi", 60s};
  EXPECT_THAT(Shown(request), HasSubstr("Accept? y or n"));
  PlainStyle chatting;
  chatting.focus = "bob";
  EXPECT_THAT(Shown(request, chatting), HasSubstr("/approve carol or /deny carol"));
}

TEST(PlainTextTest, ALostConnectionIsNoEndAndSaysWhatBecomesOfWhatIsTyped) {
  PlainStyle chatting;
  chatting.focus = "bob";
  const out::ChatClosed lost{"bob", "the connection broke", false};
  EXPECT_THAT(Shown(lost, chatting),
              HasSubstr("No connection with bob now, trying again: The connection broke."));
  EXPECT_THAT(Shown(lost, chatting), HasSubstr("What you type waits for bob"));
  EXPECT_THAT(Shown(lost), Not(HasSubstr("What you type")));
  EXPECT_THAT(Shown(out::ChatClosed{"bob", "the peer hung up", true}, chatting),
              HasSubstr("The conversation with bob was closed: The peer hung up."));
}

TEST(PlainTextTest, TheStateOfAKeyStandsBesideTheName) {
  const auto request = [](const char* state) {
    return Shown(out::PeerRequest{"r", "bob", "10.0.0.7", "", 60s, false, state});
  };
  EXPECT_THAT(request("changed"), HasSubstr("bob (KEY CHANGED) (10.0.0.7) would like"));
  EXPECT_THAT(request("verified"), HasSubstr("bob (10.0.0.7) would like")) << "not proven yet";
  EXPECT_THAT(request(""), HasSubstr("bob (10.0.0.7) would like"));
  const auto again = [](const char* state) {
    return Shown(out::ChatOpen{"bob", "dialled", true, state});
  };
  EXPECT_THAT(again("verified"), HasSubstr("bob is connected again"));
  EXPECT_THAT(again("unverified"), HasSubstr("bob (unverified) is connected again"));
  EXPECT_THAT(again("changed"), HasSubstr("bob (KEY CHANGED) is connected again"));
  EXPECT_THAT(Shown(out::ChatOpen{"bob", "dialled", false, "changed"}),
              HasSubstr("Another key was shown for bob"));
  EXPECT_THAT(Shown(out::Path{"bob", true, "dialled", {}, 1, {}, "new-person"}),
              HasSubstr("bob (NEW PERSON): connected"));
  EXPECT_THAT(Shown(out::FileOffer{"bob", "f", "n", 1, "00", false, "unverified"}),
              HasSubstr("bob (unverified) offers the file"));
  // A mark in every line is for what is wrong.
  EXPECT_THAT(Shown(out::Chat{"bob", "id", "hi", kNow, false, "unverified"}),
              HasSubstr(" <bob> hi"));
  EXPECT_THAT(Shown(out::Chat{"bob", "id", "hi", kNow, false, "changed"}),
              HasSubstr(" <bob (KEY CHANGED)> hi"));
}

TEST(PlainTextTest, ThePromptSaysWhoItIsAndHowFarTheLastLineGot) {
  PlainStyle style;
  style.me = "alice";
  style.focus = "bob";
  style.identity = "verified";
  EXPECT_EQ(IdlePrompt(style), "alice -> bob> ");
  style.said = "read";
  EXPECT_EQ(IdlePrompt(style), "alice -> bob (read)> ");
  style.identity = "unverified";
  EXPECT_EQ(IdlePrompt(style), "alice -> bob (unverified, read)> ");
  style.identity = "changed";
  style.said.clear();
  EXPECT_EQ(IdlePrompt(style), "alice -> bob (KEY CHANGED)> ");
}

TEST(LastSaidTest, TellsHowFarTheLastMessageGotAndNeverGoesBack) {
  LastSaid said;
  EXPECT_EQ(said.StateOf("bob"), "");
  said.OnReceipt({"bob", "m1", "queued"});
  EXPECT_EQ(said.StateOf("Bob"), "waiting");
  said.OnReceipt({"bob", "m2", "queued"});
  said.OnReceipt({"bob", "m1", "read"});
  EXPECT_EQ(said.StateOf("bob"), "waiting") << "of an earlier one";
  said.OnReceipt({"bob", "m2", "read"});
  said.OnReceipt({"bob", "m2", "delivered"});
  EXPECT_EQ(said.StateOf("bob"), "read");
  EXPECT_EQ(said.StateOf("carol"), "");
  said.OnReceipt({"carol", "of-yesterday", "read"});
  EXPECT_EQ(said.StateOf("carol"), "");
}

TEST(PlainTextTest, HelpNamesEveryTypedCommand) {
  const std::string help = Shown(out::Help{});
  for (const char* name :
       {"/list",        "/broadcast",    "/status",      "/revoke",     "/request",
        "/approve",     "/deny",         "/accept",      "/cancel",     "/requests",
        "/block",       "/unblock",      "/blocked",     "/msg",        "/chat",
        "/back",        "/hangup",       "/path",        "/outbox",     "/sendfile",
        "/accept-file", "/decline-file", "/cancel-file", "/pause-file", "/resume-file",
        "/files",       "/history",      "/search",      "/export",     "/verify",
        "/trust",       "/login",        "/signup",      "/logout",     "/doctor",
        "/penalties",   "/quit"}) {
    EXPECT_THAT(help, HasSubstr(name));
  }
}

TEST(PlainTextTest, PasswordsAreSecretAndNothingElse) {
  EXPECT_TRUE(IsSecret(PromptField::kPassword));
  EXPECT_TRUE(IsSecret(PromptField::kConfirmPassword));
  EXPECT_FALSE(IsSecret(PromptField::kUsername));
  EXPECT_EQ(IdlePrompt({}), "> ");
  PlainStyle style;
  style.me = "alice";
  style.focus = "bob";
  EXPECT_EQ(IdlePrompt(style), "alice -> bob> ");
}

}  // namespace
}  // namespace p2p::client
