// relay_loss CLIENTS SMALL LARGE SLACK: broadcasts to many receivers on real sockets through a
// network that loses datagrams both ways, in bursts of at most three. SMALL of 200 bytes and LARGE
// of 60 KiB for each loss. One JSON line for each loss; exit code 1 when a budget of design section
// 14 does not hold, times and repeats multiplied by SLACK on a machine that is busy with other
// things (but not the time in which all must have registered), or when the network did not lose the
// share that it should.
#include <cmath>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"
#include "tests/bench/relay_town.h"
#include "tests/bench/samples.h"
#include "tests/tools/udp_proxy.h"

namespace p2p::bench {
namespace {

using Json = nlohmann::json;

struct Budget {
  int loss_percent;
  double small_p99_ms;
  double large_p99_ms;
  double datagrams_per_fragment;
  Duration registration;
};
constexpr Budget kBudgets[] = {{0, 400, 1000, 1.05, 30s},
                               {10, 400, 1000, 1.5, 30s},
                               {30, 1000, 3000, 3, 30s},
                               {50, 2000, 8000, 6, 60s}};

// Did the network lose the share that it should? Four standard deviations, wider for the bursts.
bool LostAbout(double share, const sim::UdpProxy::Traffic& traffic) {
  const auto came = static_cast<double>(traffic.came);
  return std::abs(traffic.lost() - share) <= 0.01 + 6 * std::sqrt(share * (1 - share) / came);
}

double Milliseconds(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

// When whom what reached.
class Arrivals {
 public:
  void Add(BroadcastId id) {
    const MonoTime now = SystemClock().Mono();
    const absl::MutexLock lock(&mu_);
    times_[id].push_back(now);
  }
  bool Await(BroadcastId id, size_t count, Duration patience) {
    const absl::MutexLock lock(&mu_);
    const auto there = [&] { return times_[id].size() >= count; };
    return mu_.AwaitWithTimeout(absl::Condition(&there), absl::FromChrono(patience));
  }
  std::vector<MonoTime> Take(BroadcastId id) {
    const absl::MutexLock lock(&mu_);
    return std::move(times_[id]);
  }

 private:
  absl::Mutex mu_;
  std::map<BroadcastId, std::vector<MonoTime>> times_;
};

class Run {
 public:
  Run(const Budget& budget, size_t clients)
      : budget_(budget),
        fleet_(clients, 7, {}, [this](size_t, BroadcastId id, ByteView) { arrivals_.Add(id); }) {
    auto town = RelayTown::Start(relay::OptionsFromTiming({}));
    P2P_CHECK(town.ok());
    town_ = *std::move(town);
    auto proxy = sim::UdpProxy::Start({town_->address().ip, 0}, town_->address(),
                                      sim::LossInBursts(budget.loss_percent / 100.0, 3), 11);
    P2P_CHECK(proxy.ok());
    proxy_ = *std::move(proxy);
    town_->Admit(fleet_);
  }
  ~Run() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // True when every budget holds.
  bool Measure(int small, int large, int slack) {
    Samples registered_ms;
    const bool in_time = Register(registered_ms);
    Samples small_ms, large_ms;
    const double small_ratio = Broadcast(small, 200, small_ms);
    const double large_ratio = Broadcast(large, size_t{60} * 1024, large_ms);
    const double most = 1 + (budget_.datagrams_per_fragment - 1) * slack;
    const double wanted_loss = budget_.loss_percent / 100.0;
    const bool network_ok =
        LostAbout(wanted_loss, proxy_->up()) && LostAbout(wanted_loss, proxy_->down());
    const bool ok = in_time && network_ok && fleet_.working() == fleet_.size() && lost_ == 0 &&
                    fleet_.doubled() == 0 &&
                    small_ms.Percentile(0.99) <= budget_.small_p99_ms * slack &&
                    large_ms.Percentile(0.99) <= budget_.large_p99_ms * slack &&
                    small_ratio <= most && large_ratio <= most;
    std::cout << Json{{"loss_percent", budget_.loss_percent},
                      {"clients", fleet_.size()},
                      {"registered", fleet_.working()},
                      {"registered_in_time", in_time},
                      {"registered_p50_ms", registered_ms.Percentile(0.5)},
                      {"registered_p99_ms", registered_ms.Percentile(0.99)},
                      {"registered_max_ms", registered_ms.Percentile(1)},
                      {"lost_up", proxy_->up().lost()},
                      {"lost_down", proxy_->down().lost()},
                      {"small_p50_ms", small_ms.Percentile(0.5)},
                      {"small_p99_ms", small_ms.Percentile(0.99)},
                      {"small_datagrams_per_fragment", small_ratio},
                      {"small_max_ms", small_ms.Percentile(1)},
                      {"large_max_ms", large_ms.Percentile(1)},
                      {"large_p50_ms", large_ms.Percentile(0.5)},
                      {"large_p99_ms", large_ms.Percentile(0.99)},
                      {"large_datagrams_per_fragment", large_ratio},
                      {"pairs", small_ms.size() + large_ms.size()},
                      {"lost", lost_},
                      {"doubled", fleet_.doubled()},
                      {"ok", ok}}
              << std::endl;
    return ok;
  }

 private:
  // How long after its first REGISTER each had its session; false when not all had in time.
  bool Register(Samples& samples) {
    const MonoTime began = clock_.Mono();
    P2P_CHECK(fleet_.Open(proxy_->address(), 500ms).ok());
    thread_ = std::thread([this] { fleet_.Run(stop_); });
    while (fleet_.registered().size() < fleet_.size() &&
           clock_.Mono() < began + budget_.registration) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const auto times = fleet_.registered();
    for (const Duration time : times) samples.Add(time);
    return times.size() == fleet_.size() &&
           samples.Percentile(1) <= Milliseconds(budget_.registration);
  }
  // Datagrams with fragments for each fragment that somebody needed.
  double Broadcast(int count, size_t bytes, Samples& samples) {
    const uint64_t sent = town_->counters().Get(relay::RelayCount::kFragmentsOut);
    size_t needed = 0;
    for (int i = 0; i < count; ++i) {
      const auto broadcast = MakeBroadcast(bytes, random_);
      const uint64_t delivered = town_->delivered();
      const MonoTime at = clock_.Mono();
      town_->Publish(broadcast);
      constexpr Duration kPatience = 60s;
      arrivals_.Await(broadcast->id, fleet_.size(), kPatience);
      const auto times = arrivals_.Take(broadcast->id);
      for (const MonoTime& time : times) samples.Add(time - at);
      lost_ += fleet_.size() - std::min(times.size(), fleet_.size());
      needed += FragmentsOf(*broadcast) * fleet_.size();
      while (town_->delivered() < delivered + fleet_.size() && clock_.Mono() < at + kPatience) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // The acknowledgements.
      }
    }
    const uint64_t out = town_->counters().Get(relay::RelayCount::kFragmentsOut) - sent;
    return static_cast<double>(out) / static_cast<double>(std::max<size_t>(needed, 1));
  }

  const Budget& budget_;
  SystemClock clock_;
  SeededRandom random_{5};
  Arrivals arrivals_;
  RelayFleet fleet_;
  std::unique_ptr<RelayTown> town_;
  std::unique_ptr<sim::UdpProxy> proxy_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  size_t lost_ = 0;
};

int Main(int argc, char** argv) {
  int numbers[4] = {200, 30, 5, 1};
  for (int i = 1; i < argc && i <= 4; ++i) {
    if (!absl::SimpleAtoi(argv[i], &numbers[i - 1])) {
      std::cerr << "usage: relay_loss [CLIENTS [SMALL [LARGE [SLACK]]]]" << std::endl;
      return 2;
    }
  }
  bool ok = true;
  for (const Budget& budget : kBudgets) {
    ok &= Run(budget, static_cast<size_t>(numbers[0])).Measure(numbers[1], numbers[2], numbers[3]);
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace p2p::bench

int main(int argc, char** argv) { return p2p::bench::Main(argc, argv); }
