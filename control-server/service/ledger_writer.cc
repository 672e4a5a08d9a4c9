#include "control-server/service/ledger_writer.h"

#include <algorithm>
#include <memory>

#include "asio/post.hpp"
#include "common/base/check.h"

namespace p2p::server {
namespace {

constexpr Duration kCollect = 50ms;
constexpr Duration kRetry = 1s;

absl::Status WriteDelivered(Store& store, const DeliveryRecord& row) {
  const auto mark = [&] {
    return store.MarkDelivered(row.broadcast, row.user, row.via, row.delivered_at);
  };
  const absl::Status marked = mark();
  if (!absl::IsNotFound(marked)) return marked;
  // Its due row waits for another try, or account or broadcast are gone.
  P2P_RETURN_IF_ERROR(
      store.PutDue({{.broadcast = row.broadcast, .user = row.user, .due_at = row.delivered_at}}));
  const absl::Status again = mark();
  return absl::IsNotFound(again) ? absl::OkStatus() : again;
}

std::vector<DeliveryRecord> TakeFront(std::vector<DeliveryRecord>& from, size_t& at, size_t n) {
  const size_t end = std::min(from.size(), at + n);
  std::vector<DeliveryRecord> out(from.begin() + static_cast<long>(at),
                                  from.begin() + static_cast<long>(end));
  at = end;
  return out;
}

}  // namespace

void LedgerWriter::Add(std::vector<DeliveryRecord> due, std::vector<DeliveryRecord> delivered) {
  const auto append = [](std::vector<DeliveryRecord>& to, std::vector<DeliveryRecord>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(waiting_.due, due);
  append(waiting_.delivered, delivered);
  if (!waiting_.due.empty() || !waiting_.delivered.empty()) Schedule(kCollect);
}

void LedgerWriter::Schedule(Duration delay) {
  if (scheduled_) return;
  scheduled_ = true;
  timer_.expires_after(delay);
  timer_.async_wait([this](const asio::error_code& error) {
    if (!error) Flush();
  });
}

void LedgerWriter::Flush() {
  timer_.cancel();
  scheduled_ = false;
  Batch all = std::exchange(waiting_, {});
  for (size_t at = 0; at < all.due.size();)
    Write({.due = TakeFront(all.due, at, kBatch), .delivered = {}});
  for (size_t at = 0; at < all.delivered.size();) {
    Write({.due = {}, .delivered = TakeFront(all.delivered, at, kBatch)});
  }
}

void LedgerWriter::Write(Batch batch) {
  const auto rows = std::make_shared<const Batch>(std::move(batch));
  const size_t count = rows->due.size() + rows->delivered.size();
  handed_.fetch_add(count, std::memory_order_relaxed);
  store_.Submit(
      [rows](Store& store) -> absl::Status {
        if (!rows->due.empty()) P2P_RETURN_IF_ERROR(store.PutDue(rows->due));
        for (const auto& row : rows->delivered) P2P_RETURN_IF_ERROR(WriteDelivered(store, row));
        return absl::OkStatus();
      },
      [this, rows, count](const absl::Status& status) {
        if (absl::IsResourceExhausted(status)) {
          counters_.Add(LedgerCount::kRetried, count);
          asio::post(hub_, [this, rows, count] {
            Schedule(kRetry);  // Before Add, whose delay is shorter.
            Add(rows->due, rows->delivered);
            handed_.fetch_sub(count, std::memory_order_relaxed);
          });
          return;
        }
        counters_.Add(status.ok() ? LedgerCount::kWritten : LedgerCount::kDropped, count);
        handed_.fetch_sub(count, std::memory_order_relaxed);
      });
}

}  // namespace p2p::server
