#include "control-server/server_options.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "CLI/CLI.hpp"
#include "control-server/options_file.h"

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<ServerOptions> Parse(std::vector<std::string> arguments) {
  CLI::App app;
  CommandLine line;
  AddServerOptions(app, line);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.
  app.parse(arguments);
  return ResolveOptions(line);
}

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    ::close(::mkstemp(path_));
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { std::remove(path_); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/p2p-options-XXXXXX";
};

TEST(ServerOptionsTest, WithoutArgumentsTheProductsDefaultsHold) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listen.ToString(), "[::]:4400");
  EXPECT_EQ(options->relay_listen->ToString(), "[::]:4400");
  EXPECT_FALSE(options->reflection);
  EXPECT_EQ(options->max_connections, std::nullopt);
  EXPECT_TRUE(options->signup_open);
}

TEST(ServerOptionsTest, TheAdminSocketIsInTheDataDirectoryUnlessToldOtherwise) {
  EXPECT_EQ(Parse({"--data-dir", "/d"})->admin_socket, "/d/admin.sock");
  EXPECT_EQ(Parse({"--admin-socket", "/run/x"})->admin_socket, "/run/x");
  EXPECT_EQ(Parse({"--admin-socket", "none"})->admin_socket, "");
}

TEST(ServerOptionsTest, NamesMayLookAlikeOnlyWhenTheFileSaysSo) {
  EXPECT_FALSE(Parse({})->allow_lookalikes);
  const ConfigFile file("[accounts]\nallow_lookalikes = true\n");
  EXPECT_TRUE(Parse({"--config", file.path()})->allow_lookalikes);
}

TEST(ServerOptionsTest, ARelayProcessReplacesTheServersOwnRelay) {
  const auto linked = Parse({"--relay-listen", "none", "--relay-token-file", "/run/relay.token"});
  ASSERT_TRUE(linked.ok()) << linked.status();
  EXPECT_EQ(linked->relay_token_file, "/run/relay.token");
  EXPECT_THAT(DescribeOptions(*linked), HasSubstr("relay_token_file = \"/run/relay.token\""));
  const ConfigFile file("[server]\nrelay_listen = \"none\"\nrelay_token_file = \"t\"\n");
  EXPECT_EQ(Parse({"--config", file.path()})->relay_token_file, "t");
  const auto both = Parse({"--relay-token-file", "/run/relay.token"});
  EXPECT_TRUE(absl::IsInvalidArgument(both.status()));
  EXPECT_THAT(std::string(both.status().message()), HasSubstr("--relay-listen none"));
}

TEST(ServerOptionsTest, TheCommandLineWinsOverTheFileAndSetOverBoth) {
  const ConfigFile file(
      "[server]\nlisten = \"10.0.0.1:1\"\nmax_connections = 7\ngreeting = \"Hi\"\n"
      "signup_open = false\n[tls]\nnames = [\"a.example\"]\n[timing]\nhello = \"3s\"\n"
      "shutdown = \"100ms\"\n");
  const auto options = Parse({"--config", file.path(), "--listen", "127.0.0.1:2", "--relay-listen",
                              "none", "--set", "timing.hello=1s"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listen.ToString(), "127.0.0.1:2");
  EXPECT_EQ(options->relay_listen, std::nullopt);
  EXPECT_EQ(options->max_connections, 7u);
  EXPECT_EQ(options->greeting, "Hi");
  EXPECT_FALSE(options->signup_open);
  EXPECT_THAT(options->tls_names, ElementsAre("a.example"));
  EXPECT_EQ(options->timing.hello, Duration(1s));
  EXPECT_EQ(options->timing.shutdown, Duration(100ms));
}

TEST(ServerOptionsTest, ReflectionIsOnByDefaultOnLoopbackOnly) {
  EXPECT_TRUE(Parse({"--listen", "127.0.0.1:0", "--relay-listen", "none"})->reflection);
  EXPECT_TRUE(Parse({"--listen", "[::1]:0", "--relay-listen", "[::1]:0"})->reflection);
  EXPECT_FALSE(Parse({"--listen", "127.0.0.1:0"})->reflection);  // The relay is on every address.
  EXPECT_FALSE(Parse({"--listen", "10.0.0.1:0", "--relay-listen", "none"})->reflection);
  EXPECT_TRUE(Parse({"--reflection"})->reflection);
}

TEST(ServerOptionsTest, WhatCannotWorkIsRefusedByName) {
  const auto message = [](std::vector<std::string> arguments) {
    const auto options = Parse(std::move(arguments));
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(options.status().message());
  };
  EXPECT_THAT(message({"--listen", "here"}), HasSubstr("--listen"));
  EXPECT_THAT(message({"--relay-listen", "4400"}), HasSubstr("--relay-listen"));
  EXPECT_THAT(message({"--http-listen", "127.0.0.1:9"}), HasSubstr("not available"));
  EXPECT_THAT(message({"--log-format", "xml"}), HasSubstr("--log-format"));
  EXPECT_THAT(message({"--set", "timing.nonsense=1s"}), HasSubstr("nonsense"));
  EXPECT_THAT(message({"--set", "server.listen=x"}), HasSubstr("only timing."));
  EXPECT_THAT(message({"--set", "timing.hello"}), HasSubstr("--set"));
}

TEST(ServerOptionsTest, RateLimitsComeFromTheFileAndFromSet) {
  const ConfigFile file("[limits]\nsignup_per_minute = 7\ncalls_burst = 3\n");
  const auto options = Parse({"--config", file.path(), "--set", "limits.calls_per_second=40"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->rates.calls.burst, 3u);
  EXPECT_EQ(options->rates.calls.every, Duration(25ms));
  EXPECT_EQ(options->rates.signup_source.burst, 100u);
  EXPECT_EQ(options->rates.signup_source.every, Duration(12s));
  EXPECT_THAT(DescribeOptions(*options), HasSubstr("signup_per_minute = 7\n"));
  for (const char* bad : {"limits.calls_burst=0", "limits.calls_burst=x", "limits.nonsense=1",
                          "limits.calls_burst", "limits.signup_burst=1000001"}) {
    const auto refused = Parse({"--set", bad});
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << bad;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("limits.")) << bad;
  }
}

TEST(ServerOptionsTest, AMissingFileIsAnError) {
  EXPECT_FALSE(Parse({"--config", "/nonexistent/p2p.toml"}).ok());
}

TEST(OptionsFileTest, EveryMistakeNamesFileAndKey) {
  const auto message = [](const char* text) {
    const auto file = ParseOptionsFile(text, "p2p.toml");
    EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(file.status().message()), testing::StartsWith("p2p.toml: "));
    return std::string(file.status().message());
  };
  EXPECT_THAT(message("listen = \"x\""), HasSubstr("unknown key listen"));
  EXPECT_THAT(message("[server]\nlisten_on = \"x\""), HasSubstr("unknown key server.listen_on"));
  EXPECT_THAT(message("[server]\nlisten = 4400"), HasSubstr("server.listen has the wrong type"));
  EXPECT_THAT(message("[server]\nmax_connections = -1"), HasSubstr("server.max_connections"));
  EXPECT_THAT(message("[tls]\nnames = [1]"), HasSubstr("tls.names"));
  EXPECT_THAT(message("[timing]\nhello = \"soon\""), HasSubstr("hello"));
  EXPECT_THAT(message("[timing]\nhallo = \"1s\""), HasSubstr("hallo"));
  EXPECT_THAT(message("[limits]\ncalls_burst = \"3\""), HasSubstr("limits.calls_burst"));
  EXPECT_THAT(message("[limits]\ncalls = 3"), HasSubstr("unknown key limits.calls"));
  EXPECT_THAT(message("server = 1"), HasSubstr("[server]"));
  EXPECT_THAT(message("[server\n"), HasSubstr("line "));
}

// What check-config prints is itself a configuration file that means the same.
TEST(ServerOptionsTest, TheDescriptionCanBeReadBack) {
  const auto options =
      Parse({"--listen", "127.0.0.1:5", "--max-connections", "9", "--set", "timing.hello=7s",
             "--tls-name", "b.example", "--set", "limits.signup_source_per_minute=13"});
  const auto file = ParseOptionsFile(DescribeOptions(*options), "described");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->listen, "127.0.0.1:5");
  EXPECT_EQ(file->max_connections, 9u);
  EXPECT_EQ(file->timing.hello, Duration(7s));
  EXPECT_THAT(file->tls_names, ElementsAre("b.example"));
  EXPECT_EQ(file->rates.signup_source.every, options->rates.signup_source.every);
}

}  // namespace
}  // namespace p2p::server
