// Structured logs to stderr, one line an event: `event key=value …` or one JSON object. Never
// passwords, tokens, keys, message or broadcast text, or failed usernames. Values are rendered as
// untrusted text. Thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace p2p {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Once, early in main(). Before it, the format is text and the level info.
void InitLog(LogFormat format, LogLevel min_level = LogLevel::kInfo);

// One value of a log line; numbers and texts convert.
struct LogValue {
  std::string text;
  bool quoted = true;
  LogValue(absl::string_view s) : text(s) {}                       // NOLINT: implicit on purpose
  LogValue(const std::string& s) : text(s) {}                      // NOLINT
  LogValue(const char* s) : text(s) {}                             // NOLINT
  LogValue(bool b) : text(b ? "true" : "false"), quoted(false) {}  // NOLINT
  template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
  LogValue(Number n) : text(absl::StrCat(n)), quoted(false) {}  // NOLINT
};

using LogField = std::pair<absl::string_view, LogValue>;

// `event` is a constant of the program such as "server_started".
void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields = {});

inline void LogInfo(absl::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarning(absl::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, event, fields);
}
inline void LogError(absl::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace p2p
