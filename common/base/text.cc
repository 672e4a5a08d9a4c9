#include "common/base/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <ctime>

#include "absl/strings/str_format.h"

namespace p2p {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";
constexpr absl::string_view kContinuation = "\n  | ";
constexpr int kMaxCombiningMarks = 8;
constexpr int32_t kZwnj = 0x200C;
constexpr int32_t kZwj = 0x200D;

bool InRange(int32_t c, int32_t first, int32_t last) { return c >= first && c <= last; }

// Code points that change how the rest is shown, or show nothing: never passed on.
bool IsDangerous(int32_t c) {
  return c < 0x20 || InRange(c, 0x7F, 0x9F) ||  // C0, DEL, C1
         InRange(c, 0x2028, 0x2029) ||          // line and paragraph separators
         InRange(c, 0x202A, 0x202E) || InRange(c, 0x2066, 0x2069) ||  // bidi embeddings, isolates
         c == 0x200E || c == 0x200F || c == 0x061C ||                 // bidi marks
         c == 0x200B || c == 0xFEFF ||                                // invisible spaces
         InRange(c, 0xE0000, 0xE007F);                                // tags
}

// Shown with no width of their own: two names that differ only in them look the same.
bool IsZeroWidth(int32_t c) {
  return c == kZwj || c == kZwnj || c == 0x00AD || c == 0x180E || InRange(c, 0x2060, 0x2064);
}

bool IsCombining(int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_MC;
}

// Length of the next code point and its value; -1 for an invalid byte (length 1).
size_t Decode(absl::string_view text, int32_t* c) {
  utf8proc_int32_t value = 0;
  const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                  static_cast<utf8proc_ssize_t>(text.size()), &value);
  *c = n > 0 ? value : -1;
  return n > 0 ? static_cast<size_t>(n) : 1;
}

void Append(std::string& out, absl::string_view piece) { out.append(piece.data(), piece.size()); }

}  // namespace

std::string RenderUntrusted(absl::string_view text, TextKind kind) {
  std::string out;
  out.reserve(text.size());
  int marks = 0;
  while (!text.empty()) {
    int32_t c = 0;
    const size_t n = Decode(text, &c);
    const absl::string_view piece = text.substr(0, n);
    text.remove_prefix(n);
    if (c < 0) {
      Append(out, kReplacement);
      marks = 0;
    } else if (c == '\n' && kind == TextKind::kMessage) {
      Append(out, kContinuation);
      marks = 0;
    } else if (c == '\t') {
      out.push_back(' ');
      marks = 0;
    } else if (IsDangerous(c)) {
      continue;  // Not shown, so the marks behind it still belong to the base before it.
    } else if (IsZeroWidth(c)) {
      if (kind == TextKind::kMessage) Append(out, piece);
    } else if (!IsCombining(c)) {
      Append(out, piece);
      marks = 0;
    } else if (++marks <= kMaxCombiningMarks) {
      Append(out, piece);
    }
  }
  return out;
}

bool IsValidUtf8(absl::string_view text) {
  while (!text.empty()) {
    if (static_cast<unsigned char>(text.front()) < 0x80) {  // Most text, most of the time.
      text.remove_prefix(1);
      continue;
    }
    int32_t c = 0;
    text.remove_prefix(Decode(text, &c));
    if (c < 0) return false;
  }
  return true;
}

size_t CodePoints(absl::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) {
    int32_t c = 0;
    text.remove_prefix(Decode(text, &c));
  }
  return count;
}

std::string FormatRfc3339(WallTime t) {
  // Years 1 to 9999 have a form; a peer's clock may say anything.
  const int64_t ms = std::clamp<int64_t>(ToMs(t), -62'135'596'800'000, 253'402'300'799'999);
  const int64_t millis = (ms % 1000 + 1000) % 1000;
  const std::time_t seconds = static_cast<std::time_t>((ms - millis) / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                         utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis);
}

}  // namespace p2p
