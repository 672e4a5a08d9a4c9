// What the store knows about broadcasts, as the RPCs answer it. Store thread.
#pragma once

#include "absl/status/statusor.h"
#include "control-server/store/store.h"
#include "p2p/v1/broadcast.pb.h"

namespace p2p::server {

// Whose view: the sender sees his own, an admin all.
struct ReportViewer {
  UserId user;
  bool admin = false;
};

// Newest first; older ones are not listed.
inline constexpr size_t kMaxListedBroadcasts = 200;

void SetTimestamp(WallTime t, google::protobuf::Timestamp& out);

// NotFound for an unknown id and for one that the viewer may not see: the same words.
absl::StatusOr<v1::GetBroadcastResponse> ReportBroadcast(Store& store, BroadcastId id,
                                                         const ReportViewer& viewer, WallTime now);

// Marks it as taken back, and says how many have it, not who. NotFound as above, and then nothing
// has changed.
absl::StatusOr<v1::GetBroadcastResponse> RevokeAndReport(Store& store, BroadcastId id,
                                                         const ReportViewer& viewer, WallTime now);

absl::StatusOr<v1::ListBroadcastsResponse> ReportBroadcasts(Store& store,
                                                            const ReportViewer& viewer,
                                                            WallTime since);

}  // namespace p2p::server
