#include "control-server/service/broadcast_report.h"

#include <algorithm>

#include "common/base/check.h"
#include "control-server/domain/names.h"

namespace p2p::server {
namespace {

// Accounts may be deleted while their broadcasts and deliveries are still listed.
absl::StatusOr<std::string> NameOf(Store& store, UserId id) {
  const auto account = store.GetAccount(id);
  if (absl::IsNotFound(account.status())) return std::string("(deleted)");
  if (!account.ok()) return account.status();
  return account->username;
}

absl::Status Describe(Store& store, const BroadcastRecord& record, const DeliveryCounts& counts,
                      v1::BroadcastInfo& out) {
  P2P_ASSIGN_OR_RETURN(*out.mutable_sender(), NameOf(store, record.sender));
  out.set_broadcast_id(record.id.Hex());
  SetTimestamp(record.sent_at, *out.mutable_sent_at());
  SetTimestamp(record.expires_at, *out.mutable_expires_at());
  out.set_omit_sender(record.omit_sender);
  out.set_revoked(record.revoked);
  out.set_due(static_cast<uint32_t>(counts.due));
  out.set_delivered(static_cast<uint32_t>(counts.delivered));
  return absl::OkStatus();
}

v1::DeliveryState StateOf(const DeliveryRecord& row, bool over) {
  switch (row.via) {
    case DeliveryVia::kUdp:
      return v1::DELIVERED_UDP;
    case DeliveryVia::kChannel:
      return v1::DELIVERED_CHANNEL;
    case DeliveryVia::kNone:
      break;
  }
  return over ? v1::DELIVERY_EXPIRED : v1::QUEUED;
}

// NotFound for what the viewer may not see, in the same words.
absl::StatusOr<BroadcastRecord> FindFor(Store& store, BroadcastId id, const ReportViewer& viewer) {
  const absl::Status not_found = absl::NotFoundError("no such broadcast");
  auto record = store.GetBroadcast(id);
  if (absl::IsNotFound(record.status())) return not_found;
  if (record.ok() && !viewer.admin && record->sender != viewer.user) return not_found;
  return record;
}

// By username without regard to case; each is folded once.
void SortByName(google::protobuf::RepeatedPtrField<v1::Delivery>& deliveries) {
  std::vector<std::pair<std::string, v1::Delivery*>> named;
  named.reserve(static_cast<size_t>(deliveries.size()));
  for (v1::Delivery& delivery : deliveries) {
    named.emplace_back(FoldUsername(delivery.username()), &delivery);
  }
  std::ranges::sort(named, {}, &std::pair<std::string, v1::Delivery*>::first);
  google::protobuf::RepeatedPtrField<v1::Delivery> sorted;
  sorted.Reserve(deliveries.size());
  for (const auto& [name, delivery] : named) sorted.Add()->Swap(delivery);
  deliveries.Swap(&sorted);
}

}  // namespace

void SetTimestamp(WallTime t, google::protobuf::Timestamp& out) {
  const int64_t ms = ToMs(t);
  out.set_seconds(ms / 1000);
  out.set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
}

absl::StatusOr<v1::GetBroadcastResponse> ReportBroadcast(Store& store, BroadcastId id,
                                                         const ReportViewer& viewer, WallTime now) {
  P2P_ASSIGN_OR_RETURN(const BroadcastRecord record, FindFor(store, id, viewer));
  P2P_ASSIGN_OR_RETURN(const auto rows, store.ListDeliveries(id));
  const bool over = record.revoked || record.expires_at <= now;
  v1::GetBroadcastResponse out;
  DeliveryCounts counts;
  for (const DeliveryRecord& row : rows) {
    auto& delivery = *out.add_deliveries();
    P2P_ASSIGN_OR_RETURN(*delivery.mutable_username(), NameOf(store, row.user));
    delivery.set_state(StateOf(row, over));
    ++counts.due;
    if (row.via == DeliveryVia::kNone) continue;
    ++counts.delivered;
    SetTimestamp(row.delivered_at, *delivery.mutable_at());
  }
  P2P_RETURN_IF_ERROR(Describe(store, record, counts, *out.mutable_broadcast()));
  SortByName(*out.mutable_deliveries());
  return out;
}

absl::StatusOr<v1::GetBroadcastResponse> RevokeAndReport(Store& store, BroadcastId id,
                                                         const ReportViewer& viewer, WallTime) {
  P2P_ASSIGN_OR_RETURN(BroadcastRecord record, FindFor(store, id, viewer));
  P2P_RETURN_IF_ERROR(store.RevokeBroadcast(id));
  record.revoked = true;
  P2P_ASSIGN_OR_RETURN(const auto counts, store.CountDeliveries(id));
  v1::GetBroadcastResponse out;
  P2P_RETURN_IF_ERROR(Describe(store, record, counts, *out.mutable_broadcast()));
  return out;
}

absl::StatusOr<v1::ListBroadcastsResponse> ReportBroadcasts(Store& store,
                                                            const ReportViewer& viewer,
                                                            WallTime since) {
  const auto sender = viewer.admin ? std::nullopt : std::optional(viewer.user);
  P2P_ASSIGN_OR_RETURN(const auto records,
                       store.ListBroadcasts(sender, since, kMaxListedBroadcasts));
  v1::ListBroadcastsResponse out;
  for (const BroadcastRecord& record : records) {
    P2P_ASSIGN_OR_RETURN(const auto counts, store.CountDeliveries(record.id));
    P2P_RETURN_IF_ERROR(Describe(store, record, counts, *out.add_broadcasts()));
  }
  return out;
}

}  // namespace p2p::server
