#include "control-server/domain/names.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/text.h"
#include "common/wire/limits.h"

namespace p2p::server {
namespace {

// Sorted; lower case.
constexpr std::array<absl::string_view, 22> kReserved = {
    "admin",          "administrator", "all",       "anonymous", "anyone",    "broadcast",
    "control-server", "daemon",        "everybody", "everyone",  "localhost", "me",
    "moderator",      "nobody",        "operator",  "p2p",       "relay",     "root",
    "self",           "server",        "system",    "you"};

bool IsNameByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
}

}  // namespace

bool HasUsernameShape(absl::string_view name) {
  return name.size() >= wire::kMinUsername && name.size() <= wire::kMaxUsername &&
         absl::ascii_isalpha(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(), IsNameByte);
}

bool IsReservedUsername(absl::string_view name) {
  const std::string folded = FoldUsername(name);
  return std::binary_search(kReserved.begin(), kReserved.end(), absl::string_view(folded));
}

std::string FoldUsername(absl::string_view name) { return absl::AsciiStrToLower(name); }

std::string NameSkeleton(absl::string_view name) {
  std::string out = FoldUsername(name);
  std::replace(out.begin(), out.end(), '0', 'o');
  std::replace(out.begin(), out.end(), '1', 'l');
  std::replace(out.begin(), out.end(), 'i', 'l');  // A capital I looks like an l.
  return absl::StrReplaceAll(out, {{"rn", "m"}});
}

absl::Status CheckNewUsername(absl::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("username is required");
  if (!HasUsernameShape(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "username must have ", wire::kMinUsername, " to ", wire::kMaxUsername,
        " characters, start with a letter, and hold only letters, digits, '_', '.' and '-'"));
  }
  if (IsReservedUsername(name)) {
    return absl::InvalidArgumentError("username is reserved, please choose another one");
  }
  return absl::OkStatus();
}

absl::Status CheckNewPassword(absl::string_view password, absl::string_view field) {
  if (password.empty()) return absl::InvalidArgumentError(absl::StrCat(field, " is required"));
  // No code point takes more than 4 bytes: a cheap bound before the text is walked.
  const bool bounded = password.size() <= 4 * wire::kMaxPasswordChars;
  if (bounded && !IsValidUtf8(password)) {
    return absl::InvalidArgumentError(absl::StrCat(field, " must be valid UTF-8"));
  }
  const size_t length = bounded ? CodePoints(password) : wire::kMaxPasswordChars + 1;
  if (length < wire::kMinPasswordChars || length > wire::kMaxPasswordChars) {
    return absl::InvalidArgumentError(absl::StrCat(field, " must have ", wire::kMinPasswordChars,
                                                   " to ", wire::kMaxPasswordChars, " characters"));
  }
  return absl::OkStatus();
}

}  // namespace p2p::server
