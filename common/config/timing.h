// Every timing constant of the system, by name. Both programs read them from [timing] of a config
// file and from
// `--set timing.KEY=VALUE`; tests shorten them. The defaults are the product.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/time.h"

namespace p2p::config {

struct Timing {
  // Admission (control-server).
  Duration tls_handshake = 5s;
  Duration hello = 15s;            // From accept to Hello or another valid RPC.
  Duration authentication = 180s;  // From Hello to a log-in.
  Duration registry_sweep = 1s;
  Duration penalty_close = 100ms;  // From OnDone to shutdown of the connection.
  Duration shutdown = 500ms;       // Grace for open calls at SIGTERM.
  // Sessions and presence.
  Duration access_token = 12h;
  Duration detach_grace = 10s;  // A broken channel still counts as active.
  Duration address_memory = 10min;
  Duration just_started = 60s;
  Duration server_keepalive = 60s;  // Pings to clients that do not promise to ping by themselves.
  Duration server_keepalive_timeout = 10s;
  Duration slow_reader = 10s;
  // Penalties.
  Duration penalty_window = 10min;
  Duration penalty_cooldown = 60s;
  Duration penalty_cooldown_max = 15min;
  // Peer requests.
  Duration request_expiry = 60s;
  Duration request_repeat = 60s;
  Duration request_memory = 10min;
  Duration introduction_life = 60s;
  Duration approval = 12h;
  // Broadcasts.
  Duration retention = 30min;  // Longest and default ttl.
  Duration due_min =
      30s;  // The ledger checker demands delivery for attachments at least this long.
  Duration channel_fallback = 10s;  // UDP not acknowledged: the channel takes over.
  Duration ledger_detail = 24h;
  Duration idempotency = 24h;
  // Relay datagrams.
  Duration pto_initial = 250ms;
  Duration pto_min = 100ms;
  Duration pto_max = 2s;
  Duration relay_ping = 15s;
  Duration cookie_rotation = 120s;
  Duration partial_life = 60s;
  Duration relay_drain = 5s;  // A relay process that ends: for what is outstanding.
  // Client: not served.
  Duration retry_1 = 5s;
  Duration retry_2 = 20s;
  Duration retry_3 = 60s;
  Duration retry_4 = 150s;
  Duration retry_5 = 300s;
  Duration retry_last_min = 480s;
  Duration retry_last_max = 590s;
  Duration retry_forever = 10min;
  // Client: lost channel.
  Duration reconnect_window_min = 500ms;  // W is at least this (server).
  Duration reconnect_first = 1s;
  Duration reconnect_max = 30s;
  Duration rpc_deadline = 10s;
  Duration connect_deadline = 5s;
  Duration client_keepalive = 20s;
  Duration client_keepalive_timeout = 10s;
  // Peer link.
  Duration knock = 2s;
  Duration dial_total = 15s;
  Duration peer_handshake = 5s;
  Duration select_wait = 3s;
  Duration peer_ping = 15s;
};

// InvalidArgument for an unknown key or a value that is not a duration. `key` is without "timing.".
absl::Status SetTiming(Timing& timing, absl::string_view key, absl::string_view value);

// The same for `--set timing.KEY=VALUE`; `assignment` is what follows --set.
absl::Status ApplySetOption(Timing& timing, absl::string_view assignment);

// All keys with their current values in text, sorted: for `check-config` and the documentation
// test.
std::vector<std::pair<std::string, std::string>> ListTiming(const Timing& timing);

}  // namespace p2p::config
