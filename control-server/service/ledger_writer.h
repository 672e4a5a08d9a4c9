// Writes the delivery ledger in batches: rows are collected for a moment and go to the store
// together. Hub thread only.
#pragma once

#include <vector>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/counters.h"
#include "control-server/domain/records.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

enum class LedgerCount { kWritten, kRetried, kDropped, kCount };

class LedgerWriter {
 public:
  // Both outlive it, and the hub runs no handler after its destruction.
  LedgerWriter(asio::io_context& hub, StoreQueue& store) : hub_(hub), store_(store), timer_(hub) {}

  // A row lost in a crash before it is written means that the client is offered the broadcast
  // again, and that its journal drops it. When the store takes nothing for long, rows beyond
  // kMaxWaiting are dropped and counted, with the same consequence.
  void Add(std::vector<DeliveryRecord> due, std::vector<DeliveryRecord> delivered);
  // Hands everything that waits to the store queue now: what is submitted or read after this sees
  // it.
  void Flush();

  const Counters<LedgerCount>& counters() const { return counters_; }

  static constexpr size_t kMaxWaiting = 200'000;  // About 15 MB.
  static constexpr size_t kBatch = 500;           // Rows of one item: a few ms of the store thread.

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
  Counters<LedgerCount> counters_;
};

}  // namespace p2p::server
