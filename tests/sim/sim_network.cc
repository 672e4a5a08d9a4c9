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

std::optional<Duration> SimNetwork::Squeeze(const net::SocketAddress& from,
                                            const net::SocketAddress& to, size_t bytes) {
  if (impairment_.bandwidth <= 0) return Duration(0);
  MonoTime& busy = busy_until_[{from, to}];
  busy = std::max(busy, now_);
  if (busy - now_ > impairment_.max_queue) return std::nullopt;
  busy += Duration(static_cast<int64_t>(static_cast<double>(bytes) / impairment_.bandwidth * 1e9));
  return busy - now_;
}

bool SimNetwork::Lose(const net::SocketAddress& from, const net::SocketAddress& to) {
  if (mute_.contains(from) || deaf_.contains(to)) return true;
  if (blocked_hosts_.contains(from.ip) || blocked_hosts_.contains(to.ip)) return true;
  bool& burst = in_burst_[{from, to}];
  burst = burst ? !Chance(impairment_.burst_end) : Chance(impairment_.burst_start);
  return burst || Chance(impairment_.loss);
}

void SimNetwork::Send(const net::SocketAddress& from, const net::SocketAddress& to,
                      ByteView datagram) {
  ++sent_;
  const int copies = Chance(impairment_.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (Lose(from, to)) continue;
    const auto squeezed = Squeeze(from, to, datagram.size());
    if (!squeezed) continue;
    Bytes bytes = ToBytes(datagram);
    if (Chance(impairment_.truncate)) bytes.resize(random_.Below(bytes.size() + 1));
    if (Chance(impairment_.corrupt) && !bytes.empty()) {
      bytes[random_.Below(bytes.size())] ^= static_cast<uint8_t>(1u << random_.Below(8));
    }
    Duration delay = impairment_.delay + *squeezed;
    if (impairment_.jitter > Duration(0)) {
      delay += Duration(random_.Below(static_cast<uint64_t>(impairment_.jitter.count())));
    }
    if (Chance(impairment_.reorder)) delay += impairment_.reorder_delay;
    At(now_ + delay, [this, from, to, bytes = std::move(bytes)]() mutable {
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
