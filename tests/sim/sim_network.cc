#include "tests/sim/sim_network.h"

namespace p2p::sim {
namespace {

constexpr int64_t kWallAtZero = 1'700'000'000'000;

}  // namespace

WallTime SimNetwork::wall() const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  return WallFromMs(kWallAtZero + ms.count());
}

void SimNetwork::SetBlackhole(const net::SocketAddress& at, bool on) {
  if (on) {
    blackholes_.insert(at);
  } else {
    blackholes_.erase(at);
  }
}

bool SimNetwork::Lose(const net::SocketAddress& from, const net::SocketAddress& to) {
  if (blackholes_.contains(from) || blackholes_.contains(to)) return true;
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
    Bytes bytes = ToBytes(datagram);
    if (Chance(impairment_.corrupt) && !bytes.empty()) {
      bytes[random_.Below(bytes.size())] ^= static_cast<uint8_t>(1u << random_.Below(8));
    }
    Duration delay = impairment_.delay;
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
  const auto it = bound_.find(to);
  if (it == bound_.end()) return;
  const Handler handler = it->second;  // It may unbind itself.
  handler(from, datagram);
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
