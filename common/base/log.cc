#include "common/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "absl/strings/str_replace.h"
#include "common/base/text.h"

namespace p2p {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kText};

std::string Quoted(absl::string_view value) {
  return absl::StrCat("\"",
                      absl::StrReplaceAll(RenderUntrusted(value, TextKind::kLine),
                                          {{"\\", "\\\\"}, {"\"", "\\\""}}),
                      "\"");
}

std::shared_ptr<spdlog::logger> Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made =
        std::make_shared<spdlog::logger>("p2p", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

WallTime Now() {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace

void InitLog(LogFormat format, LogLevel min_level) {
  g_format = format;
  Logger()->set_level(ToSpdlog(min_level));
}

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields) {
  const auto spd = ToSpdlog(level);
  if (!Logger()->should_log(spd)) return;
  const auto name = spdlog::level::to_string_view(spd);
  const absl::string_view level_name(name.data(), name.size());
  std::string line;
  if (g_format == LogFormat::kJson) {
    line = absl::StrCat("{\"at\":\"", FormatRfc3339(Now()), "\",\"level\":\"", level_name,
                        "\",\"event\":", Quoted(event));
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, ",\"", key, "\":", value.quoted ? Quoted(value.text) : value.text);
    }
    line += "}";
  } else {
    line = absl::StrCat(FormatRfc3339(Now()), " ", level_name, " ", event);
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, " ", key, "=", value.quoted ? Quoted(value.text) : value.text);
    }
  }
  Logger()->log(spd, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace p2p
