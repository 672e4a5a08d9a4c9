#include "peer-client/app/plain_input.h"

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace p2p::client {
namespace {

Command Anonymous(const std::string& word) {
  if (word == "1" || word == "login" || word == "log in" || word == "1)") return cmd::Login{};
  if (word == "2" || word == "signup" || word == "sign up" || word == "2)") return cmd::Signup{};
  return cmd::Bad{"type 1 to log in or 2 to sign up; /help shows everything else"};
}

Command Menu(const std::string& word) {
  if (word == "1" || word == "list" || word == "1)") return cmd::List{};
  if (word == "2" || word == "broadcast" || word == "2)") return cmd::Broadcast{};
  return cmd::Bad{"type 1 for the list or 2 to broadcast; /help shows everything else"};
}

}  // namespace

Command ParsePlain(absl::string_view line, const PlainContext& context) {
  if (!context.focus.empty() && line.substr(0, 1) != "/") {
    return cmd::Msg{context.focus, std::string(line)};
  }
  if (line.substr(0, 2) == "//") {
    if (context.focus.empty()) return cmd::Bad{"nobody is in view; /msg NAME TEXT sends to a peer"};
    return cmd::Msg{context.focus, std::string(line.substr(1))};
  }
  const absl::string_view trimmed = absl::StripAsciiWhitespace(line);
  if (trimmed.substr(0, 1) == "/") return ParseSlash(trimmed);
  const std::string word = absl::AsciiStrToLower(trimmed);
  if (word == "help" || word == "?") return cmd::Help{};
  if (word == "quit" || word == "exit") return cmd::Quit{};
  if (context.request_waits && (word == "y" || word == "yes")) return cmd::Approve{};
  if (context.request_waits && (word == "n" || word == "no")) return cmd::Deny{};
  return context.logged_in ? Menu(word) : Anonymous(word);
}

}  // namespace p2p::client
