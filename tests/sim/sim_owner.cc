#include "tests/sim/sim_owner.h"

namespace p2p::sim {

SimOwner::SimOwner(SimNetwork& net)
    : net_(net), delivery_(std::make_unique<server::Delivery>(server::DeliveryOptions{})) {}

void SimOwner::Accept(BroadcastId id, MonoTime expires) {
  delivery_->OnAccepted(id, expires, net_.now(), net_.wall(), orders_);
  Collect();
}

void SimOwner::Attach(UserId user, ConnId conn) {
  delivery_->OnAttached(user, conn, net_.now(), net_.wall(), orders_);
  Collect();
}

void SimOwner::Detach(ConnId conn) { delivery_->OnDetached(conn); }

void SimOwner::Reachable(ConnId conn, bool reachable) {
  delivery_->OnReachable(conn, reachable, orders_);
}

void SimOwner::RelayRestarted() { delivery_->OnRelayRestarted(net_.now(), orders_); }

void SimOwner::RelayAck(ConnId conn, BroadcastId id) {
  delivery_->OnRelayAck(conn, id, net_.wall(), orders_);
  Collect();
}

void SimOwner::ChannelAck(UserId user, ConnId conn, BroadcastId id) {
  delivery_->OnChannelAck(user, conn, id, net_.wall(), orders_);
  Collect();
}

void SimOwner::Tick() {
  delivery_->OnTimer(net_.now(), orders_);
  Collect();
}

void SimOwner::Collect() {
  const bool idle = waiting_.empty();
  for (auto* rows : {&orders_.due, &orders_.delivered}) {
    waiting_.insert(waiting_.end(), rows->begin(), rows->end());
    rows->clear();
  }
  if (!idle || waiting_.empty()) return;
  net_.At(net_.now() + kBatch, [this, life = life_] {
    if (life != life_) return;
    for (const auto& row : std::exchange(waiting_, {})) rows_[{row.broadcast, row.user}] = row;
  });
}

void SimOwner::Restart(const std::map<BroadcastId, MonoTime>& live) {
  ++life_;
  waiting_.clear();
  orders_ = {};
  delivery_ = std::make_unique<server::Delivery>(server::DeliveryOptions{});
  for (const auto& [id, expires] : live) {
    std::vector<server::DeliveryRecord> rows;
    for (const auto& [key, row] : rows_) {
      if (key.first == id) rows.push_back(row);
    }
    delivery_->Restore(id, expires, rows);
  }
}

}  // namespace p2p::sim
