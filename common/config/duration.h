// Durations as people write them in config files.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/time.h"

namespace p2p::config {

// "250ms", "30s", "5m", "12h", "7d", "1.5s"; a bare number is seconds. Not negative, at most 10
// years.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);

}  // namespace p2p::config
