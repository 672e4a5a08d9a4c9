#include "common/relay/relay_token.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace p2p::relay {
namespace {

constexpr size_t TextSizeOf(size_t bytes) { return (bytes * 8 + 5) / 6; }  // Without padding.

bool IsBase64(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("+/-_", absl::string_view(&c, 1));
  });
}

}  // namespace

SecretText MakeRelayToken(Random& random) {
  auto bytes = random.Array<kTokenBytes>();
  SecretText token(Base64Encode(bytes));
  Wipe(bytes.data(), bytes.size());
  return token;
}

absl::StatusOr<SecretText> ParseRelayToken(absl::string_view content) {
  const absl::string_view token = absl::StripAsciiWhitespace(content);
  absl::string_view digits = token;
  for (int i = 0; i < 2 && absl::EndsWith(digits, "="); ++i) digits.remove_suffix(1);
  if (digits.size() < TextSizeOf(kTokenBytes) || token.size() > kMaxTokenText ||
      !IsBase64(digits)) {
    return absl::InvalidArgumentError(
        "this is not a relay token (one word of base64 for at least 32 bytes): make one with "
        "`control-server relay-token`");
  }
  return SecretText(std::string(token));
}

}  // namespace p2p::relay
