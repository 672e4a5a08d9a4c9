// Untrusted text and time as people read it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/base/time.h"

namespace p2p {

enum class TextKind {
  kMessage,  // Chat and broadcast text: keeps newlines (continuations indented and marked), ZWJ and
             // ZWNJ.
  kLine,  // Names, reasons, file names, error texts: one line; newlines, ZWJ, ZWNJ and everything
          // else without a width go too.
};

// Makes text from strangers safe for a terminal, a log or a file name: invalid UTF-8 becomes
// U+FFFD; C0 (except newline in messages), DEL, C1, U+2028/9, bidi controls, tags, U+FEFF and
// U+200B are removed; tabs become spaces; at most 8 combining marks follow one base. In kMessage
// every line after the first starts with "  | ", so that a newline cannot fake another speaker.
// Pure; linear in the input.
std::string RenderUntrusted(absl::string_view text, TextKind kind = TextKind::kMessage);

// True when `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool IsValidUtf8(absl::string_view text);

// Number of code points of valid UTF-8; invalid bytes count one each.
size_t CodePoints(absl::string_view text);

// RFC 3339 in UTC with milliseconds: 2026-03-01T12:00:00.123Z. Times outside the years 1 to 9999
// are shown as the nearest within.
std::string FormatRfc3339(WallTime t);

}  // namespace p2p
