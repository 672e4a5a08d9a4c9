#include "udp-relay/command_line.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"

namespace p2p::relay {
namespace {

using ::testing::HasSubstr;

const std::string kFingerprint = absl::StrCat("SHA256:", std::string(43, 'A'));

absl::StatusOr<ProcessOptions> Parse(std::vector<std::string> more,
                                     const std::string& control = "10.0.0.1:4400") {
  CLI::App app;
  CommandLine line;
  AddRelayOptions(app, line);
  std::vector<std::string> arguments = {
      "--control", control, "--token-file", "/run/token", "--server-fingerprint", kFingerprint};
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.
  app.parse(arguments);
  return ResolveOptions(line);
}

TEST(RelayCommandLineTest, WithoutMoreItListensEverywhereAndTheServerDecidesItsAddress) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listen.ToString(), "[::]:4400");
  EXPECT_EQ(options->link.host, "10.0.0.1");
  EXPECT_EQ(options->link.port, 4400);
  EXPECT_EQ(options->link.advertise_ip, "");
  EXPECT_EQ(options->link.advertise_port, 0);  // What is bound.
}

TEST(RelayCommandLineTest, WhereClientsFindIt) {
  EXPECT_EQ(Parse({"--listen", "10.0.0.9:4400"})->link.advertise_ip, "10.0.0.9");
  const auto behind_nat = Parse({"--listen", "10.0.0.9:4400", "--advertise", "203.0.113.1:5500"});
  ASSERT_TRUE(behind_nat.ok()) << behind_nat.status();
  EXPECT_EQ(behind_nat->link.advertise_ip, "203.0.113.1");
  EXPECT_EQ(behind_nat->link.advertise_port, 5500);
}

TEST(RelayCommandLineTest, TheServerHasANameOrAnAddress) {
  for (const auto& [text, host] : std::vector<std::pair<std::string, std::string>>{
           {"server:4400", "server"}, {"a.example:1", "a.example"}, {"[::1]:4400", "::1"}}) {
    const auto options = Parse({}, text);
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_EQ(options->link.host, host);
  }
  for (const char* bad : {"", "server", "server:", "server:0", "server:65536", ":4400", "::1:4400",
                          "0.0.0.0:4400", "10.0.0.1:0", "server:44x"}) {
    EXPECT_THAT(std::string(Parse({}, bad).status().message()), HasSubstr("--control")) << bad;
  }
}

TEST(RelayCommandLineTest, SaysWhichOptionIsWrong) {
  for (const auto& [option, bad] :
       std::vector<std::pair<std::string, std::string>>{{"--listen", "4400"},
                                                        {"--advertise", "here"},
                                                        {"--advertise", "0.0.0.0:4400"},
                                                        {"--advertise", "10.0.0.1:0"},
                                                        {"--log-format", "xml"},
                                                        {"--set", "timing.nonsense=1s"},
                                                        {"--set", "other=1"}}) {
    const auto options = Parse({option, bad});
    EXPECT_TRUE(absl::IsInvalidArgument(options.status())) << option << bad;
  }
  CommandLine line;
  line.control = "server:4400";
  for (const char* bad :
       {"", "SHA256:short", "0123456789012345678901234567890123456789012345678901"}) {
    line.fingerprint = bad;
    EXPECT_THAT(std::string(ResolveOptions(line).status().message()),
                HasSubstr("--server-fingerprint"));
  }
}

}  // namespace
}  // namespace p2p::relay
