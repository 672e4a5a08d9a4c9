// Everything at once: bad networks, moving and silenced clients, crashes of server, relay and
// clients at random instants. The promise is checked for many seeds; a failure names the seed that
// repeats it.
//
// P2P_CHAOS_SEEDS=FIRST:LAST runs those seeds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/sim/broadcast_world.h"

namespace p2p::sim {
namespace {

using ::testing::IsEmpty;

constexpr int kClients = 6;
constexpr Duration kTrouble = 120s;  // While bad things happen …
constexpr Duration kQuiet = 60s;     // … and the time to make good for them.
constexpr Duration kTtl = 150s;

class Chaos {
 public:
  explicit Chaos(uint64_t seed) : random_(seed), world_(seed * 31 + 7, BadNetwork()) {
    for (int i = 0; i < kClients; ++i) world_.AddClient(absl::StrCat("c", i));
    for (auto& client : world_.clients()) Schedule(20s, [&client = *client] { Return(client); });
    for (int i = 0; i < 6; ++i) {
      const size_t size = random_.Below(4) == 0 ? wire::kMaxBroadcastText : 1 + random_.Below(5000);
      Schedule(kTrouble, [this, i, size] {
        world_.Publish(absl::StrCat(i, std::string(size - 1, 'y')), kTtl);
      });
    }
    for (uint64_t n = random_.Below(3); n > 0; --n)
      Schedule(kTrouble, [this] { world_.RestartRelay(); });
    for (uint64_t n = random_.Below(3); n > 0; --n)
      Schedule(kTrouble, [this] { world_.RestartServer(); });
    if (random_.Below(3) == 0) world_.net().BlockHost(world_.clients()[0]->address().ip);
    for (uint64_t n = random_.Below(12); n > 0; --n) TroubleForOne();
  }
  std::vector<std::string> Run() {
    world_.RunFor(kTrouble + kQuiet);
    return world_.Check();
  }

 private:
  Impairment BadNetwork() {
    const auto some = [&](double most) {
      return random_.Below(2) == 0 ? 0 : most * random_.Unit();
    };
    return {.loss = some(0.5),
            .burst_start = some(0.05),
            .duplicate = some(0.1),
            .reorder = some(0.2),
            .corrupt = some(0.05),
            .truncate = some(0.05),
            .bandwidth = random_.Below(3) == 0 ? 20'000 + 200'000 * random_.Unit() : 0,
            .delay = Duration(random_.Below(150'000'000)),
            .jitter = Duration(random_.Below(100'000'000))};
  }
  void Schedule(Duration within, std::function<void()> action) {
    world_.net().At(
        world_.net().now() + Duration(random_.Below(static_cast<uint64_t>(within.count()))),
        std::move(action));
  }
  static void Return(SimClient& client) {
    if (!client.conn()) client.Attach();
  }
  void TroubleForOne() {
    SimClient& client = *world_.clients()[random_.Below(kClients)];
    switch (random_.Below(4)) {
      case 0:
        return Schedule(kTrouble, [this, &client] { Move(client); });
      case 1:
        return Schedule(kTrouble, [this, &client] { Silence(client); });
      case 2:
        return Schedule(kTrouble, [this, &client] { Crash(client); });
      default:
        return Schedule(kTrouble, [this, &client] { Leave(client); });
    }
  }
  void Move(SimClient& client) {
    const auto ip = net::IpAddress::V4(0x0A010000u + static_cast<uint32_t>(random_.Below(4096)));
    world_.net().SetOutside(client.address(),
                            {ip, static_cast<uint16_t>(20'000 + random_.Below(40'000))});
  }
  void Silence(SimClient& client) {
    const auto way = static_cast<SimNetwork::Way>(random_.Below(3));
    const auto at = random_.Below(4) == 0 ? world_.relay_address() : client.address();
    world_.net().SetBlackhole(at, true, way);
    world_.net().At(world_.net().now() + Duration(random_.Below(40'000'000'000)),
                    [this, at, way] { world_.net().SetBlackhole(at, false, way); });
  }
  void Crash(SimClient& client) {
    client.Restart(random_.Below(2) == 0 ? SimClient::End::kKilled : SimClient::End::kPowerCut);
    Schedule(10s, [&client] { Return(client); });
  }
  void Leave(SimClient& client) {
    if (client.conn()) client.Detach();
    Schedule(30s, [&client] { Return(client); });
  }

  SeededRandom random_;
  BroadcastWorld world_;
};

// All of them where they cost seconds; under a sanitizer it is the code that is looked at.
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 20;
#elif defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kSeeds = 60;
#else
constexpr uint64_t kSeeds = 300;
#endif

std::pair<uint64_t, uint64_t> Seeds() {
  std::pair<uint64_t, uint64_t> seeds{1, kSeeds};
  if (const char* given = std::getenv("P2P_CHAOS_SEEDS")) {
    const std::vector<std::string> ends = absl::StrSplit(given, ':');
    if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &seeds.first) ||
        !absl::SimpleAtoi(ends[1], &seeds.second)) {
      ADD_FAILURE() << "P2P_CHAOS_SEEDS is FIRST:LAST";
    }
  }
  return seeds;
}

TEST(ChaosTest, WhoeverIsDueGetsEverythingExactlyOnce) {
  const auto [first, last] = Seeds();
  for (uint64_t seed = first; seed <= last; ++seed) {
    const auto wrong = Chaos(seed).Run();
    ASSERT_THAT(wrong, IsEmpty()) << "repeat with P2P_CHAOS_SEEDS=" << seed << ":" << seed;
  }
}

}  // namespace
}  // namespace p2p::sim
