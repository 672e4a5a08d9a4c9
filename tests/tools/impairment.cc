#include "tests/tools/impairment.h"

#include <algorithm>

namespace p2p::sim {
namespace {

bool Chance(double p, Random& random) { return p > 0 && random.Unit() < p; }

}  // namespace

// A burst ends after each loss with chance 1/mean, at `longest` for certain; the mean of that is
// what the chance of a beginning is made of.
Impairment LossInBursts(double share, int longest) {
  constexpr double kEnd = 0.5;
  double mean = 0;
  double alive = 1;
  for (int i = 0; i < longest; ++i, alive *= 1 - kEnd) mean += alive;
  // After a burst one gets through: share = mean / (mean + 1 / start).
  return {.burst_start = std::min(1.0, share / (mean * (1 - share))),
          .burst_end = kEnd,
          .longest_burst = longest,
          .delay = Duration(0),
          .jitter = Duration(0)};
}

bool ImpairedLink::Lose(const Impairment& impairment, Random& random) {
  if (impairment.longest_burst > 0 && lost_in_a_row_ >= impairment.longest_burst) {
    in_burst_ = false;
    return false;
  }
  if (in_burst_) {
    in_burst_ = !Chance(impairment.burst_end, random);
    // With a limit, a burst is followed by one that gets through.
    if (!in_burst_ && impairment.longest_burst > 0) return false;
  } else {
    in_burst_ = Chance(impairment.burst_start, random);
  }
  return in_burst_ || Chance(impairment.loss, random);
}

std::optional<Duration> ImpairedLink::Squeeze(const Impairment& impairment, size_t bytes,
                                              MonoTime now) {
  if (impairment.bandwidth <= 0) return Duration(0);
  busy_until_ = std::max(busy_until_, now);
  if (busy_until_ - now > impairment.max_queue) return std::nullopt;
  busy_until_ +=
      Duration(static_cast<int64_t>(static_cast<double>(bytes) / impairment.bandwidth * 1e9));
  return busy_until_ - now;
}

std::vector<ImpairedLink::Copy> ImpairedLink::Pass(const Impairment& impairment, ByteView datagram,
                                                   MonoTime now, Random& random) {
  std::vector<Copy> out;
  const int copies = Chance(impairment.duplicate, random) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    const bool lost = Lose(impairment, random);
    lost_in_a_row_ = lost ? lost_in_a_row_ + 1 : 0;
    if (lost) continue;
    const auto squeezed = Squeeze(impairment, datagram.size(), now);
    if (!squeezed) continue;
    Bytes bytes = ToBytes(datagram);
    if (Chance(impairment.truncate, random)) bytes.resize(random.Below(bytes.size() + 1));
    if (Chance(impairment.corrupt, random) && !bytes.empty()) {
      bytes[random.Below(bytes.size())] ^= static_cast<uint8_t>(1u << random.Below(8));
    }
    Duration delay = impairment.delay + *squeezed;
    if (impairment.jitter > Duration(0)) {
      delay += Duration(random.Below(static_cast<uint64_t>(impairment.jitter.count())));
    }
    if (Chance(impairment.reorder, random)) delay += impairment.reorder_delay;
    out.push_back({delay, std::move(bytes)});
  }
  return out;
}

}  // namespace p2p::sim
