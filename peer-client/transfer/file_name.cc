#include "peer-client/transfer/file_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "common/wire/peer_link_limits.h"

namespace p2p::client {
namespace {

// Before the last dot, unless that begins the name.
size_t StemLength(absl::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == absl::string_view::npos || dot == 0 ? name.size() : dot;
}

bool IsDevice(absl::string_view name) {
  const std::string stem = absl::AsciiStrToUpper(name.substr(0, name.find('.')));
  for (const char* device : {"CON", "PRN", "AUX", "NUL"}) {
    if (stem == device) return true;
  }
  return stem.size() == 4 && (absl::StartsWith(stem, "COM") || absl::StartsWith(stem, "LPT")) &&
         stem[3] >= '1' && stem[3] <= '9';
}

}  // namespace

absl::string_view CutTo(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::optional<std::string> SafeFileName(absl::string_view offered) {
  const size_t cut = offered.find_last_of("/\\");
  if (cut != absl::string_view::npos) offered.remove_prefix(cut + 1);
  std::string name = RenderUntrusted(offered, TextKind::kLine);
  std::erase(name, '/');
  std::erase(name, '\\');
  name = std::string(absl::StripAsciiWhitespace(name));
  if (name.empty() || name == "." || name == "..") return std::nullopt;
  if (name[0] == '.') name[0] = '_';
  if (IsDevice(name)) name.insert(std::min(name.find('.'), name.size()), "_");
  if (name.size() > wire::kMaxFileName) {
    const size_t stem = StemLength(name);
    const std::string extension(CutTo(absl::string_view(name).substr(stem), 32));
    name = absl::StrCat(
        CutTo(absl::string_view(name).substr(0, stem), wire::kMaxFileName - extension.size()),
        extension);
    absl::StripTrailingAsciiWhitespace(&name);  // The cut may have uncovered some.
  }
  return name;
}

std::string NumberedName(absl::string_view name, int number) {
  const size_t stem = StemLength(name);
  return absl::StrCat(CutTo(name.substr(0, stem), 180), " (", number, ")", name.substr(stem));
}

}  // namespace p2p::client
