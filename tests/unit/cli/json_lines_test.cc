#include "peer-client/cli/json_lines.h"

#include <gmock/gmock.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace p2p::client {
namespace {

using nlohmann::json;
using ::testing::IsSupersetOf;

const WallTime kAt = WallFromMs(1'700'000'000'123);

json Line(const Output& output) {
  const auto line = ToJsonLine(output, kAt);
  EXPECT_TRUE(line.has_value());
  EXPECT_EQ(line->find('\n'), std::string::npos);
  return json::parse(*line);
}

TEST(JsonLinesTest, EventsHaveTheFieldsOfTheContractAndNoOthersThatMatter) {
  const char* at = "2023-11-14T22:13:20.123Z";
  EXPECT_EQ(Line(out::LoggedIn{"alice", {Choice::kListActive, Choice::kBroadcast}, false}),
            (json{{"event", "logged_in"},
                  {"username", "alice"},
                  {"choices", {"LIST_ACTIVE", "BROADCAST"}},
                  {"at", at}}));
  EXPECT_EQ(Line(out::LoggedIn{"alice", {}, true})["resumed"], true);
  EXPECT_EQ(Line(out::Active{{}, 15min})["broadcast_life_s"], 900);
  EXPECT_FALSE(Line(out::Active{}).contains("broadcast_life_s"));
  EXPECT_EQ(Line(out::Active{{{"bob", "10.0.0.7"}}, {}})["clients"],
            (json::array({{{"username", "bob"}, {"ip_address", "10.0.0.7"}}})));
  const json retry = Line(out::Retry{4250ms, 2, 6, RetryReason::kFull, "full: 50 of 50"});
  EXPECT_EQ(retry["in_s"], 4.25);
  EXPECT_EQ(retry["attempt"], 2);
  EXPECT_EQ(retry["of"], 6);
  EXPECT_EQ(retry["reason"], "full");
  EXPECT_EQ(Line(out::Prompt{PromptField::kConfirmPassword, ""})["field"], "confirm_password");
  const json chat = Line(out::Chat{"bob", "id", "hi", kAt, false});
  EXPECT_EQ(chat["sent_at"], at);
  EXPECT_FALSE(chat.contains("replayed"));
  out::PeerRequest request{"r", "bob", "10.0.0.7", "", 60s};
  out::FileOffer offer{"bob", "f", "n", 1, "00", false};
  out::Path path{"bob", false, "", std::nullopt, 1, {}};
  EXPECT_FALSE(Line(request).contains("identity"));
  EXPECT_FALSE(Line(offer).contains("identity"));
  EXPECT_FALSE(Line(path).contains("identity"));
  request.identity = offer.identity = path.identity = "changed";
  EXPECT_EQ(Line(request)["identity"], "changed");
  EXPECT_EQ(Line(offer)["identity"], "changed");
  EXPECT_EQ(Line(path)["identity"], "changed");
  EXPECT_EQ(Line(out::ChatOpen{"bob", "p", true, "verified"})["identity"], "verified");
  EXPECT_EQ(Line(out::ChatClosed{"bob", "bye", true})["for_good"], true);
  EXPECT_EQ(Line(out::ChatClosed{"bob", "broke", false})["for_good"], false);
  EXPECT_EQ(Line(out::Broadcast{"b", "", kAt, kAt, "x", "udp", true})["replayed"], true);
  EXPECT_EQ(Line(out::Penalised{"reason", kAt, ""})["until"], at);
  EXPECT_FALSE(Line(out::Error{"NOT_FOUND", "m", ""}).contains("fingerprint"));
  EXPECT_EQ(Line(out::Error{"SERVER_IDENTITY_UNKNOWN", "m", "SHA256:x"})["fingerprint"],
            "SHA256:x");
}

TEST(JsonLinesTest, HostileTextStaysOnOneLineInAsciiAndUnchanged) {
  const std::string text = "line\nnext \033[2J \xc2\x9b \xe2\x80\xae \"quoted\" \xf0\x9f\x98\x80";
  const auto line = ToJsonLine(out::Chat{"bob", "id", text, kAt, false}, kAt);
  for (const char c : *line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  EXPECT_EQ(json::parse(*line)["text"], text);
  // Bytes that are no UTF-8 must not end the program.
  EXPECT_EQ(Line(out::Chat{"b", "i", "\xff", kAt, false})["text"], "\xef\xbf\xbd");
}

TEST(JsonLinesTest, AdviceIsNoEvent) {
  EXPECT_FALSE(ToJsonLine(out::Notice{"hello"}, kAt));
  EXPECT_FALSE(ToJsonLine(out::Help{}, kAt));
  EXPECT_FALSE(ToJsonLine(out::PromptDone{}, kAt));
  EXPECT_EQ(DiagnosticText(out::Notice{"hello"}), "hello");
}

template <class T>
T Parsed(absl::string_view line) {
  Command command = ParseJsonCommand(line);
  T* parsed = std::get_if<T>(&command);
  EXPECT_NE(parsed, nullptr) << line;
  return parsed ? std::move(*parsed) : T{};
}

TEST(JsonCommandTest, ReadsTheCommandsOfTheContract) {
  const auto signup = Parsed<cmd::Signup>(
      R"({"cmd":"signup","username":"alice","password":"p","confirm_password":"q","extra":1})");
  EXPECT_EQ(*signup.username, "alice");
  EXPECT_EQ(signup.password->view(), "p");
  EXPECT_EQ(signup.confirm_password->view(), "q");
  // What is missing is sent empty: the server names the field.
  EXPECT_EQ(Parsed<cmd::Login>(R"({"cmd":"login"})").password->view(), "");
  EXPECT_EQ(Parsed<cmd::Request>(R"({"cmd":"request","peer":"10.0.0.7","reason":"r"})").reason,
            "r");
  EXPECT_EQ(Parsed<cmd::Approve>(R"({"cmd":"approve","request_id":"ab"})").request_id, "ab");
  EXPECT_EQ(Parsed<cmd::Deny>(R"({"cmd":"deny","request_id":"ab"})").request_id, "ab");
  EXPECT_EQ(Parsed<cmd::Msg>(R"({"cmd":"msg","peer":"bob","text":"a\nb"})").text, "a\nb");
  EXPECT_EQ(Parsed<cmd::Broadcast>(R"({"cmd":"broadcast","text":""})").text, "");
  EXPECT_EQ(Parsed<cmd::SendFile>(R"({"cmd":"sendfile","peer":"b","path":"/x"})").path, "/x");
  Parsed<cmd::List>(R"({"cmd":"list"})");
  Parsed<cmd::Quit>(R"({"cmd":"quit"})");
}

TEST(JsonCommandTest, HelpNamesEveryCommandAndNoOther) {
  const std::string text = DiagnosticText(out::Help{});
  ASSERT_TRUE(absl::StartsWith(text, "commands: "));
  const std::set<std::string> named = absl::StrSplit(text.substr(strlen("commands: ")), ' ');
  for (const auto& name : named) {
    const Command command = ParseJsonCommand(absl::StrCat(R"({"cmd":")", name, R"("})"));
    const auto* bad = std::get_if<cmd::Bad>(&command);
    EXPECT_FALSE(bad && absl::StartsWith(bad->message, "unknown command")) << name;
  }
  EXPECT_THAT(named, IsSupersetOf({"doctor", "verified", "broadcast_status", "broadcast_revoke",
                                   "cancel_file", "requests", "help"}));
}

TEST(JsonCommandTest, NamesWhatIsWrong) {
  EXPECT_EQ(Parsed<cmd::Bad>(R"({"cmd":"request"})").message, "no field peer");
  EXPECT_EQ(Parsed<cmd::Bad>(R"({"cmd":"msg","peer":1,"text":"x"})").message,
            "field peer must be a text");
  EXPECT_EQ(Parsed<cmd::Bad>(R"({"cmd":"dance"})").message, "unknown command dance");
  for (const char* bad : {"", "{", "[]", "{}", "7", R"({"cmd":7})", "{\"cmd\":\"\xff\"}"}) {
    Parsed<cmd::Bad>(bad);
  }
}

}  // namespace
}  // namespace p2p::client
