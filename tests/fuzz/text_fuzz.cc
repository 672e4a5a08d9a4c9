// Rendered text is valid UTF-8 without controls, and rendering its lines again changes nothing.
#include <utf8proc.h>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "common/base/text.h"

namespace {

bool IsMark(int32_t c) {
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_MC;
}

// Marks on one base, whatever without a width stands between them.
void CheckMarks(absl::string_view text) {
  int marks = 0;
  while (!text.empty()) {
    int32_t c = 0;
    const auto n = utf8proc_iterate(reinterpret_cast<const uint8_t*>(text.data()),
                                    static_cast<utf8proc_ssize_t>(text.size()), &c);
    P2P_CHECK(n > 0);
    text.remove_prefix(static_cast<size_t>(n));
    const bool joiner =
        c == 0x200C || c == 0x200D || c == 0xAD || c == 0x180E || (c >= 0x2060 && c <= 0x2064);
    if (joiner) continue;
    marks = IsMark(c) ? marks + 1 : 0;
    P2P_CHECK(marks <= 8);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view in(reinterpret_cast<const char*>(data), size);
  const std::string message = p2p::RenderUntrusted(in);
  P2P_CHECK(p2p::IsValidUtf8(message));
  CheckMarks(message);
  for (const char c : message) P2P_CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  const std::string line = p2p::RenderUntrusted(in, p2p::TextKind::kLine);
  P2P_CHECK(p2p::IsValidUtf8(line) && line.find('\n') == std::string::npos);
  CheckMarks(line);
  P2P_CHECK(p2p::RenderUntrusted(line, p2p::TextKind::kLine) == line);
  return 0;
}
