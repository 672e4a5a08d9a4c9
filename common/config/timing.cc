#include "common/config/timing.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/config/duration.h"

namespace p2p::config {
namespace {

struct Key {
  absl::string_view name;
  Duration Timing::*field;
};

#define P2P_TIMING_KEY(name) \
  Key { #name, &Timing::name }

constexpr Key kKeys[] = {
    P2P_TIMING_KEY(tls_handshake),
    P2P_TIMING_KEY(hello),
    P2P_TIMING_KEY(authentication),
    P2P_TIMING_KEY(registry_sweep),
    P2P_TIMING_KEY(penalty_close),
    P2P_TIMING_KEY(shutdown),
    P2P_TIMING_KEY(access_token),
    P2P_TIMING_KEY(detach_grace),
    P2P_TIMING_KEY(address_memory),
    P2P_TIMING_KEY(just_started),
    P2P_TIMING_KEY(server_keepalive),
    P2P_TIMING_KEY(server_keepalive_timeout),
    P2P_TIMING_KEY(slow_reader),
    P2P_TIMING_KEY(penalty_window),
    P2P_TIMING_KEY(penalty_cooldown),
    P2P_TIMING_KEY(penalty_cooldown_max),
    P2P_TIMING_KEY(request_expiry),
    P2P_TIMING_KEY(request_repeat),
    P2P_TIMING_KEY(request_memory),
    P2P_TIMING_KEY(introduction_life),
    P2P_TIMING_KEY(approval),
    P2P_TIMING_KEY(retention),
    P2P_TIMING_KEY(due_min),
    P2P_TIMING_KEY(channel_fallback),
    P2P_TIMING_KEY(ledger_detail),
    P2P_TIMING_KEY(idempotency),
    P2P_TIMING_KEY(pto_initial),
    P2P_TIMING_KEY(pto_min),
    P2P_TIMING_KEY(pto_max),
    P2P_TIMING_KEY(relay_ping),
    P2P_TIMING_KEY(cookie_rotation),
    P2P_TIMING_KEY(partial_life),
    P2P_TIMING_KEY(relay_drain),
    P2P_TIMING_KEY(retry_1),
    P2P_TIMING_KEY(retry_2),
    P2P_TIMING_KEY(retry_3),
    P2P_TIMING_KEY(retry_4),
    P2P_TIMING_KEY(retry_5),
    P2P_TIMING_KEY(retry_last_min),
    P2P_TIMING_KEY(retry_last_max),
    P2P_TIMING_KEY(retry_forever),
    P2P_TIMING_KEY(reconnect_window_min),
    P2P_TIMING_KEY(reconnect_first),
    P2P_TIMING_KEY(reconnect_max),
    P2P_TIMING_KEY(rpc_deadline),
    P2P_TIMING_KEY(connect_deadline),
    P2P_TIMING_KEY(client_keepalive),
    P2P_TIMING_KEY(client_keepalive_timeout),
    P2P_TIMING_KEY(knock),
    P2P_TIMING_KEY(dial_total),
    P2P_TIMING_KEY(peer_handshake),
    P2P_TIMING_KEY(select_wait),
    P2P_TIMING_KEY(peer_ping),
};

#undef P2P_TIMING_KEY

// A field that is not in the table could not be set: keep both in step.
static_assert(sizeof(Timing) == std::size(kKeys) * sizeof(Duration));

}  // namespace

absl::Status SetTiming(Timing& timing, absl::string_view key, absl::string_view value) {
  for (const Key& known : kKeys) {
    if (known.name != key) continue;
    const auto duration = ParseDuration(value);
    if (!duration.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("timing.", key, ": ", duration.status().message()));
    }
    timing.*known.field = *duration;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown key timing.", key));
}

absl::Status ApplySetOption(Timing& timing, absl::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos || !absl::StartsWith(assignment, "timing.")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--set ", assignment, ": only timing.KEY=VALUE can be set"));
  }
  const absl::string_view key = absl::StripPrefix(assignment.substr(0, equals), "timing.");
  return SetTiming(timing, key, assignment.substr(equals + 1));
}

std::vector<std::pair<std::string, std::string>> ListTiming(const Timing& timing) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Key& known : kKeys) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timing.*known.field);
    out.emplace_back(std::string(known.name), absl::StrCat(ms.count(), "ms"));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace p2p::config
