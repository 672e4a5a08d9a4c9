// Whatever the configuration file says, it is taken or refused with the file's name; durations and
// limits that are taken are in their range.
#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/config/duration.h"
#include "common/config/timing.h"
#include "control-server/limit_options.h"
#include "control-server/options_file.h"

namespace p2p::server {
namespace {

constexpr auto kMostDuration = std::chrono::hours(24) * 366 * 10;

void CheckFile(absl::string_view in) {
  const auto options = ParseOptionsFile(in, "server.toml");
  if (!options.ok()) {
    P2P_CHECK(absl::IsInvalidArgument(options.status()));
    P2P_CHECK(absl::StrContains(options.status().message(), "server.toml"));
    return;
  }
  for (const auto& [key, value] : ListLimits(options->rates)) {
    P2P_CHECK(value >= 1 && value <= 1'000'000);
  }
}

void CheckTexts(absl::string_view in) {
  if (const auto duration = config::ParseDuration(in); duration.ok()) {
    P2P_CHECK(*duration >= Duration(0) && *duration <= kMostDuration);
  }
  config::Timing timing;
  const config::Timing defaults;
  if (!config::ApplySetOption(timing, in).ok()) {
    P2P_CHECK(config::ListTiming(timing) == config::ListTiming(defaults));
  }
  RateOptions rates;
  (void)ApplyLimitOption(rates, in);
  for (const auto& [key, value] : ListLimits(rates)) P2P_CHECK(value >= 1 && value <= 1'000'000);
}

}  // namespace
}  // namespace p2p::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view in(reinterpret_cast<const char*>(data), size);
  p2p::server::CheckFile(in);
  p2p::server::CheckTexts(in);
  return 0;
}
