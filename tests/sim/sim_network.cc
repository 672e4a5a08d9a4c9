#include "tests/sim/sim_network.h"

namespace p2p::sim {
namespace {

constexpr int64_t kWallAtZero = 1'700'000'000'000;

}  // namespace

WallTime SimNetwork::wall() const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  return WallFromMs(kWallAtZero + ms.count());
}

void SimNetwork::SetBlackhole(const net::SocketAddress& at, bool on, Way way) {
  for (auto* set : {way != Way::kTo ? &mute_ : nullptr, way != Way::kFrom ? &deaf_ : nullptr}) {
    if (set == nullptr) continue;
    if (on) {
      set->insert(at);
    } else {
      set->erase(at);
    }
  }
}

void SimNetwork::SetOutside(const net::SocketAddress& inside, const net::SocketAddress& outside) {
  const auto old = outside_.find(inside);
  if (old != outside_.end()) inside_.erase(old->second);
  outside_[inside] = outside;
  inside_[outside] = inside;
}

bool SimNetwork::IsBlocked(const net::SocketAddress& from, const net::SocketAddress& to) const {
  return mute_.contains(from) || deaf_.contains(to) || blocked_hosts_.contains(from.ip) ||
         blocked_hosts_.contains(to.ip);
}

void SimNetwork::Send(const net::SocketAddress& from, const net::SocketAddress& to,
                      ByteView datagram) {
  ++sent_;
  if (IsBlocked(from, to)) return;
  for (auto& copy : links_[{from, to}].Pass(impairment_, datagram, now_, random_)) {
    At(now_ + copy.delay, [this, from, to, bytes = std::move(copy.bytes)]() mutable {
      Deliver(from, to, std::move(bytes));
    });
  }
}

void SimNetwork::Deliver(const net::SocketAddress& from, const net::SocketAddress& to,
                         Bytes datagram) {
  const auto through = inside_.find(to);
  const net::SocketAddress& at = through == inside_.end() ? to : through->second;
  // Who has an outside address is not reached at the inside one.
  if (through == inside_.end() && outside_.contains(to)) return;
  const auto it = bound_.find(at);
  if (it == bound_.end()) return;
  const Handler handler = it->second;  // It may unbind itself.
  const auto seen_as = outside_.find(from);
  handler(seen_as == outside_.end() ? from : seen_as->second, datagram);
}

void SimNetwork::At(MonoTime when, std::function<void()> action) {
  events_.emplace(std::pair(std::max(when, now_), next_order_++), Event{std::move(action)});
}

void SimNetwork::RunUntil(MonoTime end) {
  while (!events_.empty() && events_.begin()->first.first <= end) {
    auto node = events_.extract(events_.begin());
    now_ = node.key().first;
    node.mapped().action();
  }
  now_ = end;
}

}  // namespace p2p::sim
