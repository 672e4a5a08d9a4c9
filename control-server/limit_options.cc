#include "control-server/limit_options.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace p2p::server {
namespace {

constexpr int64_t kMax = 1'000'000;

struct Key {
  absl::string_view name;
  Rate RateOptions::*rate;
  Duration per;  // Zero: the burst.
};

constexpr Key kKeys[] = {
    {"signup_source_burst", &RateOptions::signup_source, Duration::zero()},
    {"signup_source_per_minute", &RateOptions::signup_source, 60s},
    {"signup_burst", &RateOptions::signup_total, Duration::zero()},
    {"signup_per_minute", &RateOptions::signup_total, 60s},
    {"calls_burst", &RateOptions::calls, Duration::zero()},
    {"calls_per_second", &RateOptions::calls, 1s},
};

}  // namespace

absl::Status SetLimit(RateOptions& rates, absl::string_view key, int64_t value) {
  for (const Key& known : kKeys) {
    if (known.name != key) continue;
    if (value < 1 || value > kMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("limits.", key, " must be between 1 and ", kMax));
    }
    Rate& rate = rates.*known.rate;
    if (known.per == Duration::zero()) {
      rate.burst = static_cast<uint32_t>(value);
    } else {
      rate.every = known.per / value;
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown key limits.", key));
}

absl::Status ApplyLimitOption(RateOptions& rates, absl::string_view assignment) {
  const size_t equals = assignment.find('=');
  int64_t value = 0;
  if (equals == absl::string_view::npos ||
      !absl::SimpleAtoi(assignment.substr(equals + 1), &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--set ", assignment, ": limits.KEY=NUMBER was expected"));
  }
  return SetLimit(rates, absl::StripPrefix(assignment.substr(0, equals), "limits."), value);
}

std::vector<std::pair<std::string, int64_t>> ListLimits(const RateOptions& rates) {
  std::vector<std::pair<std::string, int64_t>> out;
  for (const Key& key : kKeys) {
    const Rate& rate = rates.*key.rate;
    const int64_t value = key.per == Duration::zero() ? rate.burst : key.per / rate.every;
    out.emplace_back(std::string(key.name), value);
  }
  return out;
}

}  // namespace p2p::server
