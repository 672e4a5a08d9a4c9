#include "peer-client/oneshot/oneshot_options.h"

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/file.h"
#include "common/wire/limits.h"

namespace p2p::client::oneshot {
namespace {

constexpr Duration kDoctorWait = 10s;  // Who asks what is wrong wants to know it soon.
constexpr size_t kMaxInput = 1 << 17;  // The server's limits are below.

constexpr std::pair<absl::string_view, Verb> kVerbs[] = {
    {"signup", Verb::kSignup},
    {"login", Verb::kLogin},
    {"logout", Verb::kLogout},
    {"list", Verb::kList},
    {"request", Verb::kRequest},
    {"send", Verb::kSend},
    {"send-file", Verb::kSendFile},
    {"broadcast", Verb::kBroadcast},
    {"broadcast-status", Verb::kBroadcastStatus},
    {"broadcast-revoke", Verb::kBroadcastRevoke},
    {"verify", Verb::kVerify},
    {"doctor", Verb::kDoctor},
    {"watch", Verb::kWatch}};

Duration Seconds(double s) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

// Up to the end, or, for a terminal's password, of one line.
absl::StatusOr<std::string> ReadStdin(bool line_only) {
  std::string text;
  char buffer[4096];
  while (text.size() <= kMaxInput) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::InvalidArgumentError(absl::StrCat("stdin: ", std::strerror(errno)));
    if (n == 0) break;
    text.append(buffer, static_cast<size_t>(n));
    if (line_only && text.find('\n') != std::string::npos) break;
  }
  Wipe(buffer, sizeof buffer);
  if (text.size() > kMaxInput) return absl::InvalidArgumentError("stdin holds too much text");
  return text;
}

absl::StatusOr<std::string> AskPassword(const char* question) {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) {
    return absl::InvalidArgumentError("no terminal to ask for the password; use --password-file");
  }
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  std::fputs(question, stderr);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  auto line = ReadStdin(true);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  std::fputs("\n", stderr);
  return line;
}

// Without the newline that ends the file or the typed line.
SecretText FirstLine(std::string text) {
  const SecretText whole(std::move(text));
  return SecretText(std::string(whole.view().substr(0, whole.view().find_first_of("\r\n"))));
}

absl::StatusOr<SecretText> ReadPassword(Verb verb, const std::string& file) {
  if (file == "-") {
    P2P_ASSIGN_OR_RETURN(std::string text, ReadStdin(false));
    return FirstLine(std::move(text));
  }
  if (!file.empty()) {
    auto text = net::ReadFile(file, 4096);
    if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
    return FirstLine(*std::move(text));
  }
  P2P_ASSIGN_OR_RETURN(std::string first, AskPassword("Password: "));
  SecretText password = FirstLine(std::move(first));
  if (verb != Verb::kSignup) return password;
  P2P_ASSIGN_OR_RETURN(std::string second, AskPassword("Password again: "));
  if (FirstLine(std::move(second)).view() != password.view()) {
    return absl::InvalidArgumentError("The two passwords are not the same.");
  }
  return password;
}

}  // namespace

std::optional<Verb> ParseVerb(absl::string_view word) {
  for (const auto& [name, verb] : kVerbs) {
    if (name == word) return verb;
  }
  return std::nullopt;
}

void AddOneShotOptions(CLI::App& app, Verb verb, OneShotLine& line) {
  app.add_option("--server", line.server, "HOST[:PORT] (default: the last server)");
  app.add_option("-o,--output", line.form, "text, json or jsonl")
      ->check(CLI::IsMember({"text", "json", "jsonl"}));
  app.add_flag("--take-over", line.take_over, "replace another attached client of the account");
  app.add_option("--connect-wait", line.connect_wait_s,
                 "seconds to wait for the server (default: until the tries run out)")
      ->check(CLI::Range(0.0, 1e6));
  switch (verb) {
    case Verb::kSignup:
    case Verb::kLogin:
      app.add_option("USERNAME", line.name)->required();
      app.add_option("--password-file", line.password_file,
                     "file with the password in its first line; - for stdin");
      return;
    case Verb::kRequest:
    case Verb::kSend:
      app.add_option("PEER", line.name, "username or IP address")->required();
      app.add_option(verb == Verb::kSend ? "TEXT" : "REASON", line.text, "- for stdin")
          ->required(verb == Verb::kSend);
      app.add_option("--wait", line.wait_s, "seconds to wait for the answer (default 90)")
          ->check(CLI::Range(0.0, 1e6));
      return;
    case Verb::kSendFile:
      app.add_option("PEER", line.name, "username")->required();
      app.add_option("PATH", line.text, "the file")->required();
      app.add_option("--wait", line.wait_s,
                     "seconds without any progress, the answer included (default 90); then exit 6")
          ->check(CLI::Range(0.0, 1e6));
      return;
    case Verb::kBroadcast:
      app.add_option("TEXT", line.text, "- for stdin")->required();
      app.add_option("--ttl", line.ttl_s, "seconds for which newcomers get it (default 1800)")
          ->check(CLI::Range(1, 1800));
      app.add_flag("--dry-run", line.dry_run, "say who would get it, and send nothing");
      app.add_option("--wait", line.goal,
                     "until so many of those who are due have it: all, 90%, or a number");
      app.add_option("--timeout", line.wait_s, "seconds to wait for that (default 90); then exit 6")
          ->check(CLI::Range(0.0, 1e6));
      return;
    case Verb::kBroadcastStatus:
    case Verb::kBroadcastRevoke:
      app.add_option("ID", line.name, "as broadcast printed it")->required();
      return;
    case Verb::kVerify:
      app.add_option("PEER", line.name, "username")->required();
      return;
    case Verb::kLogout:
    case Verb::kList:
    case Verb::kDoctor:
    case Verb::kWatch:
      return;
  }
}

absl::StatusOr<DeliveryGoal> ParseGoal(absl::string_view text) {
  DeliveryGoal goal;
  if (text == "all") return DeliveryGoal{.percent = 100, .count = 0};
  if (absl::ConsumeSuffix(&text, "%")) {
    if (absl::SimpleAtoi(text, &goal.percent) && goal.percent >= 1 && goal.percent <= 100) {
      return goal;
    }
  } else if (absl::SimpleAtoi(text, &goal.count) && goal.count >= 1) {
    return goal;
  }
  return absl::InvalidArgumentError("--wait takes all, 1% to 100%, or a number from 1");
}

absl::StatusOr<TaskSpec> ResolveTask(Verb verb, const OneShotLine& line) {
  TaskSpec spec;
  spec.verb = verb;
  spec.name = line.name;
  spec.text = line.text;
  spec.ttl_s = line.ttl_s;
  if (!line.goal.empty()) {
    P2P_ASSIGN_OR_RETURN(spec.goal, ParseGoal(line.goal));
  } else if (verb == Verb::kBroadcast && line.wait_s) {
    return absl::InvalidArgumentError("--timeout belongs to --wait");
  }
  spec.dry_run = line.dry_run;
  if (spec.dry_run && spec.goal) {
    return absl::InvalidArgumentError("--dry-run sends nothing to --wait for");
  }
  if (line.wait_s) spec.wait = Seconds(*line.wait_s);
  if (line.connect_wait_s) spec.connect_wait = Seconds(*line.connect_wait_s);
  if (verb == Verb::kDoctor && !spec.connect_wait) spec.connect_wait = kDoctorWait;
  if (verb == Verb::kWatch && line.form == "json") {
    return absl::InvalidArgumentError("watch prints many events: -o text or -o jsonl");
  }
  if (verb == Verb::kSendFile) {  // A client beside this one has its own working directory.
    std::error_code error;
    spec.text = std::filesystem::absolute(spec.text, error).string();
  } else if (spec.text == "-") {
    P2P_ASSIGN_OR_RETURN(std::string text, ReadStdin(false));
    spec.text = std::string(absl::StripSuffix(text, "\n"));
  }
  if (spec.dry_run && (spec.text.empty() || spec.text.size() > wire::kMaxBroadcastText)) {
    return absl::InvalidArgumentError("a broadcast has 1 to 61440 bytes");
  }
  if (!IsValidUtf8(spec.text) || !IsValidUtf8(spec.name)) {
    return absl::InvalidArgumentError("the text is not UTF-8");
  }
  if (verb == Verb::kSignup || verb == Verb::kLogin) {
    P2P_ASSIGN_OR_RETURN(spec.password, ReadPassword(verb, line.password_file));
  }
  return spec;
}

}  // namespace p2p::client::oneshot
