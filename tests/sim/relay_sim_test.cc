// Engine and receivers over a bad network, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/sim/broadcast_world.h"

namespace p2p::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Impairment Lossy(double loss) {
  return {.loss = loss,
          .burst_start = loss > 0 ? 0.01 : 0,
          .duplicate = loss > 0 ? 0.02 : 0,
          .reorder = loss > 0 ? 0.05 : 0,
          .corrupt = loss > 0 ? 0.01 : 0};
}

TEST(RelaySimTest, AttachedClientGetsABroadcastAtOnce) {
  BroadcastWorld world(1);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  EXPECT_EQ(alice.state(), client::UdpState::kWorking);
  world.Publish("hello");
  world.RunFor(100ms);
  EXPECT_THAT(alice.texts(), ElementsAre("hello"));
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kFragmentsRepeated), 0u);
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kDelivered), 1u);
}

TEST(RelaySimTest, LateJoinerGetsTheWindowOnly) {
  BroadcastWorld world(7);
  world.Publish("old");
  world.RunFor(31min);
  world.Publish("new");
  SimClient& carol = world.AddClient("carol");
  carol.Attach();
  world.RunFor(30s);
  EXPECT_THAT(carol.texts(), ElementsAre("new"));
  EXPECT_EQ(world.engine().broadcasts(), 1u);
}

TEST(RelaySimTest, SixtyKibibytesNeedOneDatagramAFragmentWithoutLoss) {
  BroadcastWorld world(2);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  const std::string text(wire::kMaxBroadcastText, 'x');
  world.Publish(text);
  world.RunFor(1s);
  EXPECT_THAT(alice.texts(), ElementsAre(text));
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kFragmentsOut), wire::kMaxFragments);
}

TEST(RelaySimTest, BurstToOneClientIsPaced) {
  BroadcastWorld world(2);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  const uint64_t before = world.counters().Get(relay::RelayCount::kDatagramsOut);
  world.Publish(std::string(wire::kMaxBroadcastText, 'x'));
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kDatagramsOut) - before, 10u);
}

TEST(RelaySimTest, TotalEgressCapHolds) {
  relay::RelayOptions options;
  options.egress_bytes_per_second = 50'000;
  options.egress_burst_bytes = 5'000;
  options.client_rate = 100'000;
  options.client_burst = 1'000;
  BroadcastWorld world(3, {}, options);
  for (int i = 0; i < 10; ++i) world.AddClient(absl::StrCat("c", i)).Attach();
  world.RunFor(2s);
  world.Publish(std::string(10'000, 'x'));
  const uint64_t before = world.counters().Get(relay::RelayCount::kDatagramsOut);
  world.RunFor(1s);
  const uint64_t datagrams = world.counters().Get(relay::RelayCount::kDatagramsOut) - before;
  EXPECT_LE(datagrams, 50u);
  EXPECT_GE(datagrams, 35u);
  world.RunFor(60s);
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(RelaySimTest, SilentClientIsReportedAndServedWhenItReturns) {
  BroadcastWorld world(4);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  const ConnId conn = *alice.conn();
  EXPECT_TRUE(world.reachable().at(conn));
  // The client's present port is cut off: the way back is found from a new socket.
  world.net().SetBlackhole(alice.address(), true);
  world.Publish("through");
  world.RunFor(50s);
  EXPECT_FALSE(world.reachable().at(conn));
  world.RunFor(30s);
  EXPECT_TRUE(world.reachable().at(conn));
  EXPECT_GE(alice.sockets_opened(), 2);
  EXPECT_THAT(alice.texts(), ElementsAre("through"));
}

TEST(RelaySimTest, UnreachableRelayIsReportedAsUnusableWithinTenSecondsAndRecovers) {
  BroadcastWorld world(5);
  SimClient& alice = world.AddClient("alice");
  world.net().SetBlackhole(world.relay_address(), true);
  alice.Attach();
  world.RunFor(9s);
  EXPECT_EQ(alice.state(), client::UdpState::kRegistering);
  world.RunFor(2s);
  EXPECT_EQ(alice.state(), client::UdpState::kUnusable);
  EXPECT_EQ(alice.sockets_opened(), 3);
  world.net().SetBlackhole(world.relay_address(), false);
  world.Publish("again");
  world.RunFor(40s);
  EXPECT_EQ(alice.state(), client::UdpState::kWorking);
  EXPECT_THAT(alice.texts(), ElementsAre("again"));
}

TEST(RelaySimTest, RestartedRelayIsFedAgainAndNothingIsDoubled) {
  BroadcastWorld world(6, Lossy(0.1));
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(2s);
  world.Publish("one");
  world.RunFor(5s);
  world.RestartRelay();
  world.Publish("two");
  world.RunFor(90s);  // Three pings are lost, then it registers again.
  EXPECT_THAT(alice.texts(), ElementsAre("one", "two"));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(RelaySimTest, RestartedClientShowsNothingTwice) {
  BroadcastWorld world(8);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  world.Publish("one");
  world.RunFor(15ms);  // Journalled and shown; the DONE is on its way.
  world.net().SetBlackhole(world.relay_address(), true);
  world.RunFor(1s);
  world.net().SetBlackhole(world.relay_address(), false);
  alice.Restart();
  alice.Attach();
  world.RunFor(30s);
  EXPECT_THAT(alice.texts(), ElementsAre("one"));
  EXPECT_THAT(alice.replayed(), IsEmpty());
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kDelivered), 1u);
}

TEST(RelaySimTest, PowerCutLosesNothingAcknowledgedAndRepeatsOnlyMarkedReplays) {
  BroadcastWorld world(8);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  const BroadcastId id = world.Publish("one");
  world.RunFor(1s);
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kDelivered), 1u);
  alice.Restart(SimClient::End::kPowerCut);
  alice.Attach();
  world.RunFor(30s);
  EXPECT_THAT(alice.texts(), ElementsAre("one"));
  EXPECT_THAT(alice.replayed(), ElementsAre(id));
}

TEST(RelaySimTest, PartialGivenUpByTheClientIsSentAgain) {
  BroadcastWorld world(9);
  SimClient& alice = world.AddClient("alice");
  alice.Attach();
  world.RunFor(1s);
  world.Publish(std::string(wire::kMaxBroadcastText, 'x'));
  world.RunFor(30ms);  // Part of it is there.
  world.net().SetBlackhole(world.relay_address(), true);
  world.RunFor(65s);  // Longer than a partial lives, and than a session stays silent.
  world.net().SetBlackhole(world.relay_address(), false);
  world.RunFor(60s);
  EXPECT_EQ(alice.texts().size(), 1u);
}

// Twenty clients, five of them late, three that leave and return, one after the end: the promise
// itself, for many seeds and all losses.
void RunTown(uint64_t seed, double loss) {
  BroadcastWorld world(seed, Lossy(loss));
  SeededRandom random(seed * 7919 + 13);
  for (int i = 0; i < 20; ++i) world.AddClient(absl::StrCat("c", i));
  auto client = [&](int i) -> SimClient& { return *world.clients()[static_cast<size_t>(i)]; };
  const MonoTime start = world.net().now();
  const auto later = [&](Duration d, std::function<void()> f) { world.net().At(start + d, f); };
  for (int i = 0; i < 14; ++i) client(i).Attach();
  constexpr Duration kTtl = 120s;
  for (int b = 0; b < 6; ++b) {
    const size_t size = b == 3 ? wire::kMaxBroadcastText : 1 + random.Below(3000);
    later(Duration(random.Below(10'000'000'000)),
          [&world, b, size] { world.Publish(absl::StrCat(b, std::string(size - 1, 'y')), kTtl); });
  }
  for (int i = 14; i < 19; ++i) {
    later(12s + Duration(random.Below(60'000'000'000)), [&, i] { client(i).Attach(); });
  }
  for (int i = 0; i < 3; ++i) {
    const Duration leave = Duration(random.Below(15'000'000'000));
    later(leave, [&, i] {
      client(i).Restart(i == 0 ? SimClient::End::kPowerCut : SimClient::End::kKilled);
    });
    later(leave + Duration(random.Below(30'000'000'000)), [&, i] { client(i).Attach(); });
  }
  later(kTtl + 11s, [&] { client(19).Attach(); });
  world.RunFor(200s);
  EXPECT_THAT(world.Check(), IsEmpty()) << "seed " << seed << " loss " << loss;
  EXPECT_THAT(client(19).texts(), IsEmpty()) << "seed " << seed;
  for (int i = 3; i < 19; ++i) {
    EXPECT_EQ(client(i).texts().size(), 6u) << "seed " << seed << " loss " << loss << " c" << i;
  }
}

class TownTest : public ::testing::TestWithParam<double> {};

TEST_P(TownTest, EverybodyDueGetsEverythingExactlyOnce) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    RunTown(seed, GetParam());
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, TownTest, ::testing::Values(0.0, 0.1, 0.3, 0.5));

// Repeats per fragment and time to the last client, without the extras of Lossy().
struct LossCase {
  double loss;
  double datagrams_per_fragment;
  Duration small_p99;
  Duration large_p99;
};
class LossBudgetTest : public ::testing::TestWithParam<LossCase> {};

TEST_P(LossBudgetTest, RepeatsAndDelaysStayWithinTheBudget) {
  const LossCase& c = GetParam();
  for (const size_t size : {size_t{200}, wire::kMaxBroadcastText}) {
    BroadcastWorld world(11, {.loss = c.loss});
    for (int i = 0; i < 100; ++i) world.AddClient(absl::StrCat("c", i)).Attach();
    world.RunFor(20s);
    const uint64_t out = world.counters().Get(relay::RelayCount::kFragmentsOut);
    const int64_t sent = ToMs(world.net().wall());
    world.Publish(std::string(size, 'x'));
    world.RunFor(30s);
    std::vector<int64_t> delays;
    for (const auto& client : world.clients()) {
      ASSERT_EQ(client->shown().size(), 1u);
      delays.push_back(client->shown()[0].at_ms - sent);
    }
    std::sort(delays.begin(), delays.end());
    const Duration p99 = std::chrono::milliseconds(delays[98]);
    const size_t fragments = size == 200 ? 1 : wire::kMaxFragments;
    const double ratio =
        static_cast<double>(world.counters().Get(relay::RelayCount::kFragmentsOut) - out) /
        static_cast<double>(100 * fragments);
    RecordProperty(absl::StrCat("ms_p99_", size), static_cast<int>(delays[98]));
    EXPECT_LE(p99, size == 200 ? c.small_p99 : c.large_p99) << "p99 ms " << delays[98];
    EXPECT_LE(ratio, c.datagrams_per_fragment);
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, LossBudgetTest,
                         ::testing::Values(LossCase{0.0, 1.05, 50ms, 500ms},
                                           LossCase{0.1, 1.5, 400ms, 1s}, LossCase{0.3, 3, 1s, 3s},
                                           LossCase{0.5, 6, 2s, 8s}));

TEST(RelaySimTest, KeysChangeEveryHourAndNoNonceIsUsedTwice) {
  BroadcastWorld world(8);
  SimClient& alice = world.AddClient("alice");
  std::set<std::array<uint64_t, 3>> nonces;  // Direction, epoch, packet number.
  std::set<int> epochs[2];
  const auto look = [&](uint64_t direction, ByteView datagram) {
    const auto header = wire::DataHeader::Parse(datagram);
    if (!header) return;
    const std::array<uint64_t, 3> nonce{direction, header->epoch, header->packet_no};
    // The relay's are seen after the network doubled and damaged some.
    if (direction == 0) {
      EXPECT_TRUE(nonces.insert(nonce).second) << "packet " << nonce[2];
    }
    epochs[direction].insert(header->epoch);
  };
  alice.on_send = [&](ByteView datagram) { look(0, datagram); };
  alice.on_receive = [&](ByteView datagram) { look(1, datagram); };
  alice.Attach();
  world.RunFor(1min);
  std::vector<std::string> texts;
  for (int hour = 0; hour < 5; ++hour) {
    texts.push_back(absl::StrCat("hour ", hour));
    world.Publish(texts.back());
    world.RunFor(1h);
  }
  EXPECT_EQ(alice.texts(), texts);
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.counters().Get(relay::RelayCount::kRegistered), 1u) << "one session throughout";
  EXPECT_GE(epochs[0].size(), 5u);
  EXPECT_GE(epochs[1].size(), 5u);
}

TEST(RelaySimTest, RunsRepeatExactly) {
  const auto run = [] {
    BroadcastWorld world(42, Lossy(0.3));
    for (int i = 0; i < 5; ++i) world.AddClient(absl::StrCat("c", i)).Attach();
    world.RunFor(1s);
    world.Publish("same");
    world.RunFor(20s);
    return std::pair(world.net().sent(), world.clients()[4]->shown().at(0).at_ms);
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace p2p::sim
