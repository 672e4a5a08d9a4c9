// The control-server's part in a simulated world: who is due, the ledger and what of it is on disk,
// the channel beside the datagrams. Dies and comes back with what was durable.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "control-server/domain/delivery.h"
#include "tests/sim/sim_network.h"

namespace p2p::sim {

class SimOwner {
 public:
  explicit SimOwner(SimNetwork& net);

  // All of them leave what is to be done in orders().
  void Accept(BroadcastId id, MonoTime expires);
  void Attach(UserId user, ConnId conn);
  void Detach(ConnId conn);
  void Reachable(ConnId conn, bool reachable);
  void RelayRestarted();
  void RelayAck(ConnId conn, BroadcastId id);
  void ChannelAck(UserId user, ConnId conn, BroadcastId id);
  void Tick();
  std::optional<MonoTime> NextDeadline() const { return delivery_->NextDeadline(); }
  server::DeliveryOrders TakeOrders() { return std::exchange(orders_, {}); }

  // Everything that is not on disk is lost; `live` are the broadcasts that are, with their expiry.
  void Restart(const std::map<BroadcastId, MonoTime>& live);
  // The ledger as it is on disk.
  using Rows = std::map<std::pair<BroadcastId, UserId>, server::DeliveryRecord>;
  const Rows& rows() const { return rows_; }

 private:
  // How long rows are collected before they go to disk together.
  static constexpr Duration kBatch = 50ms;
  // Moves the rows out of the orders into the batch.
  void Collect();

  SimNetwork& net_;
  std::unique_ptr<server::Delivery> delivery_;
  server::DeliveryOrders orders_;
  std::vector<server::DeliveryRecord> waiting_;
  uint64_t life_ = 0;
  Rows rows_;
};

}  // namespace p2p::sim
