#include "common/base/bytes.h"

#include "absl/strings/escaping.h"
#include "absl/strings/strip.h"

namespace p2p {

std::string HexEncode(ByteView bytes) { return absl::BytesToHexString(AsText(bytes)); }

std::optional<Bytes> HexDecode(absl::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  for (const char c : hex) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
  }
  return ToBytes(AsBytes(absl::HexStringToBytes(hex)));
}

std::string Base64Encode(ByteView bytes) { return absl::Base64Escape(AsText(bytes)); }

std::string Base64EncodeUnpadded(ByteView bytes) {
  std::string out = Base64Encode(bytes);
  while (!out.empty() && out.back() == '=') out.pop_back();
  return out;
}

std::string Base64UrlEncode(ByteView bytes) { return absl::WebSafeBase64Escape(AsText(bytes)); }

std::optional<Bytes> Base64UrlDecode(absl::string_view text) {
  for (const char c : text) {
    const bool legal = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
    if (!legal) return std::nullopt;
  }
  std::string out;
  if (!absl::WebSafeBase64Unescape(text, &out)) return std::nullopt;
  // Bits that the last character carries beyond the bytes: a second text for the same value.
  if (absl::WebSafeBase64Escape(out) != text) return std::nullopt;
  return ToBytes(AsBytes(out));
}

}  // namespace p2p
