#include "common/config/duration.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace p2p::config {

absl::StatusOr<Duration> ParseDuration(absl::string_view text) {
  struct Unit {
    absl::string_view suffix;
    double seconds;
  };
  // Longest suffix first: "ms" before "s".
  static constexpr Unit kUnits[] = {{"ms", 1e-3}, {"us", 1e-6}, {"s", 1}, {"m", 60},
                                    {"h", 3600},  {"d", 86400}, {"", 1}};
  constexpr double kMaxSeconds = 10 * 365.0 * 86400;
  for (const Unit& unit : kUnits) {
    absl::string_view number = text;
    if (!unit.suffix.empty()) {
      if (number.size() < unit.suffix.size() ||
          number.substr(number.size() - unit.suffix.size()) != unit.suffix) {
        continue;
      }
      number.remove_suffix(unit.suffix.size());
    }
    double value = 0;
    if (!absl::SimpleAtod(number, &value) || !std::isfinite(value) || value < 0 ||
        value * unit.seconds > kMaxSeconds) {
      break;
    }
    return Duration(static_cast<int64_t>(std::llround(value * unit.seconds * 1e9)));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("not a duration: \"", text, "\" (use 250ms, 30s, 5m, 12h)"));
}

}  // namespace p2p::config
