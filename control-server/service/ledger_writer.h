// Writes the delivery ledger in batches: rows are collected for a moment and go to the store
// together. Hub thread only.
#pragma once

#include <atomic>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/counters.h"
#include "control-server/domain/records.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

enum class LedgerCount {
  kWritten,
  kRetried,  // The disk or the store queue was full.
  kDropped,  // The store has failed; the process ends.
  kCount
};

class LedgerWriter {
 public:
  // Both outlive it, and the hub runs no handler after its destruction.
  LedgerWriter(asio::io_context& hub, StoreQueue& store) : hub_(hub), store_(store), timer_(hub) {}

  // A row lost in a crash before it is written means that the client is offered the broadcast
  // again, and that its journal drops it. No row is lost otherwise: there are never more than two
  // for each due account of each live broadcast, and no broadcast is accepted while too many wait
  // (BroadcastLimits::ledger_rows).
  void Add(std::vector<DeliveryRecord> due, std::vector<DeliveryRecord> delivered);
  // Hands everything that waits to the store queue now: what is submitted or read after this sees
  // it.
  void Flush();

  // Rows that are not written yet, here or in the store queue.
  size_t backlog() const {
    return waiting_.due.size() + waiting_.delivered.size() +
           handed_.load(std::memory_order_relaxed);
  }
  const Counters<LedgerCount>& counters() const { return counters_; }

  static constexpr size_t kBatch = 500;  // Rows of one item: a few ms of the store thread.

 private:
  // Due rows first: a delivery needs its row.
  struct Batch {
    std::vector<DeliveryRecord> due;
    std::vector<DeliveryRecord> delivered;
  };
  void Schedule(Duration delay);
  void Write(Batch batch);

  asio::io_context& hub_;
  StoreQueue& store_;
  asio::steady_timer timer_;
  bool scheduled_ = false;
  Batch waiting_;
  std::atomic<size_t> handed_{0};  // Rows in the store queue: the store thread takes them off.
  Counters<LedgerCount> counters_;
};

}  // namespace p2p::server
