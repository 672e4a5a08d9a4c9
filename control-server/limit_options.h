// The keys of [limits] by name: signup_source_burst, signup_source_per_minute, signup_burst,
// signup_per_minute, calls_burst, calls_per_second. Whole numbers from 1 to 1,000,000.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "control-server/domain/rate_limit.h"

namespace p2p::server {

// InvalidArgument for an unknown key or a value out of range. `key` is without "limits.".
absl::Status SetLimit(RateOptions& rates, absl::string_view key, int64_t value);

// The same for `--set limits.KEY=NUMBER`; `assignment` is what follows --set.
absl::Status ApplyLimitOption(RateOptions& rates, absl::string_view assignment);

// All keys with their values in force, in the order of the page.
std::vector<std::pair<std::string, int64_t>> ListLimits(const RateOptions& rates);

}  // namespace p2p::server
