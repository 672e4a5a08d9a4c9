#include "peer-client/app/command.h"

#include <utility>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/duration.h"

namespace p2p::client {
namespace {

// Cuts the first word off `rest`, which then starts at the next word.
absl::string_view TakeWord(absl::string_view& rest) {
  rest = absl::StripLeadingAsciiWhitespace(rest);
  size_t end = 0;
  while (end < rest.size() && !absl::ascii_isspace(static_cast<unsigned char>(rest[end]))) ++end;
  const absl::string_view word = rest.substr(0, end);
  rest = absl::StripLeadingAsciiWhitespace(rest.substr(end));
  return word;
}

Command Usage(absl::string_view usage) { return cmd::Bad{absl::StrCat("usage: ", usage)}; }

std::optional<std::string> OptionalWord(absl::string_view& rest) {
  const absl::string_view word = TakeWord(rest);
  if (word.empty()) return std::nullopt;
  return std::string(word);
}

Command ParseTwo(absl::string_view rest, absl::string_view usage,
                 Command (*make)(std::string first, std::string second)) {
  const absl::string_view first = TakeWord(rest);
  if (first.empty() || rest.empty()) return Usage(usage);
  return make(std::string(first), std::string(rest));
}

Command ParseAccount(absl::string_view name, absl::string_view rest) {
  std::optional<std::string> username = OptionalWord(rest);
  // A password on the command line would stay in the terminal's history: asked for instead.
  if (!rest.empty()) return Usage(absl::StrCat(name, " [NAME]; the password is asked for"));
  if (name == "/signup") return cmd::Signup{std::move(username), std::nullopt, std::nullopt};
  return cmd::Login{std::move(username), std::nullopt};
}

Command ParseTalk(absl::string_view name, absl::string_view rest) {
  if (name == "/request") {
    const absl::string_view peer = TakeWord(rest);
    if (peer.empty()) return Usage("/request NAME-or-ADDRESS [REASON]");
    return cmd::Request{std::string(peer), std::string(rest), false};
  }
  if (name == "/msg") {
    return ParseTwo(rest, "/msg NAME TEXT", [](std::string peer, std::string text) -> Command {
      return cmd::Msg{std::move(peer), std::move(text)};
    });
  }
  if (name == "/sendfile") {
    return ParseTwo(rest, "/sendfile NAME PATH", [](std::string peer, std::string path) -> Command {
      return cmd::SendFile{std::move(peer), std::move(path)};
    });
  }
  if (name == "/chat") return cmd::Focus{std::string(TakeWord(rest))};
  if (name == "/back") return cmd::Focus{};
  return cmd::HangUp{std::string(TakeWord(rest))};
}

// NAME, or a time, or both.
Command ParseApprove(absl::string_view rest) {
  const std::string first(TakeWord(rest));
  const std::string second(TakeWord(rest));
  const std::string& limit = second.empty() ? first : second;
  const bool timed = !limit.empty() && absl::ascii_isdigit(static_cast<unsigned char>(limit[0]));
  if (!timed && second.empty()) return cmd::Approve{first, {}};
  const auto duration = config::ParseDuration(limit);
  // An id may begin with a digit, too.
  if (!duration.ok() && second.empty()) return cmd::Approve{first, {}};
  if (!duration.ok() || *duration <= Duration::zero()) {
    return Usage("/accept [NAME] [TIME], for example /accept bob 30m");
  }
  return cmd::Approve{second.empty() ? "" : first, *duration};
}

Command ParseHistory(absl::string_view rest) {
  cmd::History out;
  absl::string_view count = TakeWord(rest);
  if (!count.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(count[0]))) {
    out.peer = std::string(count);
    count = TakeWord(rest);
  }
  const bool legal = count.empty() || (absl::SimpleAtoi(count, &out.most) && out.most > 0);
  if (!legal || !rest.empty()) return Usage("/history [NAME] [COUNT]");
  out.most = std::min(out.most, cmd::History::kMost);
  return out;
}

Command ParseIdentity(absl::string_view name, absl::string_view rest) {
  const std::string peer(TakeWord(rest));
  const bool confirm = name == "/verify" && absl::EqualsIgnoreCase(TakeWord(rest), "ok");
  if (peer.empty()) {
    return Usage(name == "/trust" ? "/trust NAME" : "/verify NAME, then /verify NAME ok");
  }
  if (name == "/trust") return cmd::Trust{peer};
  return cmd::Verify{peer, confirm};
}

}  // namespace

Command ParseSlash(absl::string_view line) {
  absl::string_view rest = absl::StripTrailingAsciiWhitespace(line);
  const std::string name = absl::AsciiStrToLower(TakeWord(rest));
  if (name == "/signup" || name == "/login") return ParseAccount(name, rest);
  if (name == "/logout") return cmd::Logout{};
  if (name == "/list") return cmd::List{};
  if (name == "/penalties") return cmd::Penalties{};
  if (name == "/doctor") return cmd::Doctor{};
  if (name == "/approve" || name == "/accept") return ParseApprove(rest);
  if (name == "/deny") return cmd::Deny{std::string(TakeWord(rest))};
  if (name == "/cancel") return cmd::Cancel{std::string(TakeWord(rest))};
  if (name == "/accept-file") return cmd::AcceptFile{std::string(TakeWord(rest))};
  if (name == "/files") return cmd::Files{};
  if (name == "/cancel-file" || name == "/decline-file") {
    return cmd::FileControl{cmd::FileControl::What::kCancel, std::string(TakeWord(rest))};
  }
  if (name == "/pause-file") {
    return cmd::FileControl{cmd::FileControl::What::kPause, std::string(TakeWord(rest))};
  }
  if (name == "/resume-file") {
    return cmd::FileControl{cmd::FileControl::What::kResume, std::string(TakeWord(rest))};
  }
  if (name == "/broadcast") {
    if (rest.empty()) return cmd::Broadcast{};
    return cmd::Broadcast{std::string(rest), 0};
  }
  if (name == "/status") return cmd::BroadcastStatus{std::string(TakeWord(rest)), false};
  if (name == "/revoke") return cmd::BroadcastRevoke{std::string(TakeWord(rest))};
  if (name == "/verify" || name == "/trust") return ParseIdentity(name, rest);
  if (name == "/path") return cmd::Path{std::string(TakeWord(rest))};
  if (name == "/outbox") return cmd::Outbox{std::string(TakeWord(rest))};
  if (name == "/history") return ParseHistory(rest);
  if (name == "/search") {
    if (rest.empty()) return Usage("/search TEXT");
    return cmd::Search{std::string(rest)};
  }
  if (name == "/export") {
    if (rest.empty()) return Usage("/export PATH");
    return cmd::Export{std::string(rest)};
  }
  if (name == "/requests") return cmd::Requests{};
  if (name == "/blocked") return cmd::Blocked{};
  if (name == "/block" || name == "/unblock") {
    const std::string peer(TakeWord(rest));
    if (peer.empty()) return Usage(absl::StrCat(name, " NAME"));
    return cmd::Block{peer, name == "/block"};
  }
  if (name == "/help") return cmd::Help{};
  if (name == "/quit" || name == "/exit") return cmd::Quit{};
  if (name == "/request" || name == "/msg" || name == "/sendfile" || name == "/chat" ||
      name == "/back" || name == "/hangup") {
    return ParseTalk(name, rest);
  }
  if (name.empty() || name[0] != '/') {
    return cmd::Bad{"commands start with '/', for example /list; /help shows all of them"};
  }
  return cmd::Bad{absl::StrCat("unknown command ", name, "; /help shows what there is")};
}

}  // namespace p2p::client
