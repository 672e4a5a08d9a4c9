// A fan-out to many clients: their acknowledgements come spread out, and nothing is sent again for
// that.
#include "udp-relay/core/ack_window.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/sim/broadcast_world.h"

namespace p2p::sim {
namespace {

using relay::AckWindow;

TEST(AckWindowTest, IsAsLongAsTheRelayNeedsForTheAcknowledgements) {
  AckWindow window;
  size_t one = 0, other = 0;
  window.Recount(one, 900);
  EXPECT_EQ(window.window(), Duration(0)) << "9 ms are not worth a word";
  window.Recount(other, 10'000);
  EXPECT_EQ(window.window(), 109ms);
  window.Recount(one, 1'000'000);
  EXPECT_EQ(window.window(), 1000ms);
  window.Recount(one, 0);
  window.Recount(other, 0);
  EXPECT_EQ(window.total(), 0u);
}

TEST(AckWindowTest, IsToldAnewWhenItIsOffByHalf) {
  EXPECT_FALSE(AckWindow::WorthTelling(0ms, 0ms));
  EXPECT_TRUE(AckWindow::WorthTelling(0ms, 10ms));
  EXPECT_TRUE(AckWindow::WorthTelling(10ms, 0ms));
  EXPECT_FALSE(AckWindow::WorthTelling(100ms, 140ms));
  EXPECT_TRUE(AckWindow::WorthTelling(100ms, 160ms));
  EXPECT_FALSE(AckWindow::WorthTelling(100ms, 60ms));
  EXPECT_TRUE(AckWindow::WorthTelling(100ms, 40ms));
}

// Datagrams of all clients to the relay, by millisecond.
class Town {
 public:
  explicit Town(int clients) : world_(1, {.delay = 20ms, .jitter = 0ms}) {
    for (int i = 0; i < clients; ++i) {
      SimClient& client = world_.AddClient(absl::StrCat("c", i));
      client.on_send = [this](ByteView) { ++sent_[world_.net().now().time_since_epoch() / 1ms]; };
      client.Attach();
    }
    world_.RunFor(2s);
    sent_.clear();
  }
  BroadcastWorld& world() { return world_; }
  int total() const {
    int out = 0;
    for (const auto& [ms, n] : sent_) out += n;
    return out;
  }
  int most_in_a_millisecond() const {
    int out = 0;
    for (const auto& [ms, n] : sent_) out = std::max(out, n);
    return out;
  }

 private:
  BroadcastWorld world_;
  std::map<int64_t, int> sent_;
};

TEST(AckWindowTest, AcknowledgementsOfALargeFanOutAreSpread) {
  constexpr int kClients = 300;
  Town town(kClients);
  town.world().Publish(std::string(wire::kMaxBroadcastText, 'x'));
  town.world().RunFor(1s);
  const auto& counters = town.world().counters();
  EXPECT_EQ(counters.Get(relay::RelayCount::kDelivered), uint64_t{kClients});
  EXPECT_EQ(counters.Get(relay::RelayCount::kFragmentsRepeated), 0u);
  EXPECT_LT(town.most_in_a_millisecond(), kClients / 2) << "all at once, without a window";
  EXPECT_LT(town.total(), kClients * 5) << "one for each fragment, without a window";
}

TEST(AckWindowTest, EndsWithTheCrowd) {
  constexpr int kClients = 300;
  Town town(kClients);
  town.world().Publish(std::string(wire::kMaxBroadcastText, 'x'));
  town.world().RunFor(1s);
  // A small one, told with the window that is due now: answered at once.
  town.world().Publish("small");
  town.world().RunFor(45ms);
  EXPECT_EQ(town.world().counters().Get(relay::RelayCount::kDelivered), uint64_t{2} * kClients);
}

}  // namespace
}  // namespace p2p::sim
