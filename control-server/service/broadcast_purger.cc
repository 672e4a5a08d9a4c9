#include "control-server/service/broadcast_purger.h"

#include <algorithm>

#include "common/base/log.h"

namespace p2p::server {

void BroadcastPurger::Purge() {
  const WallTime now = clock_.Wall();
  // Rows serve both the delivery details and the idempotency keys: keep them for the longer of
  // both.
  const auto keep = std::chrono::duration_cast<WallTime::duration>(
      std::max(timing_.ledger_detail, timing_.idempotency));
  store_.Submit([now, keep](Store& store) { return store.PurgeBroadcasts(now, now - keep); },
                [](const absl::Status& status) {
                  if (!status.ok()) LogWarning("purge_failed", {{"error", status.message()}});
                });
  timer_.expires_after(kInterval);
  timer_.async_wait([this](const asio::error_code& error) {
    if (!error) Purge();
  });
}

}  // namespace p2p::server
