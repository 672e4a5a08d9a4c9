// Many clients and one server, in virtual time: nobody hammers, everybody gets in.
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

// A server with places, and clients that all come at the same moment.
class Crowd {
 public:
  Crowd(size_t clients, size_t places) : places_(places), tries_(clients) {
    for (size_t i = 0; i < clients; ++i) {
      clients_.push_back(std::make_unique<ClientWorld>(AppOptions{}, i + 1));
      clients_[i]->model->Start(true, std::nullopt, clients_[i]->now());
      Answer(i);
    }
    std::fill(tries_.begin(), tries_.end(), std::vector<Duration>());
  }

  // Runs until `end` of the story.
  void RunUntil(Duration end) {
    for (size_t next = Earliest(); next < clients_.size() && DueIn(next) <= end;
         next = Earliest()) {
      ClientWorld& client = *clients_[next];
      const Duration at = DueIn(next);
      client.control.calls.clear();
      client.Advance(at - (client.mono - kStart));
      if (std::find(client.control.calls.begin(), client.control.calls.end(), "connect") ==
          client.control.calls.end()) {
        continue;
      }
      tries_[next].push_back(at);
      Answer(next);
    }
  }
  void Free(size_t places) { places_ += places; }
  const std::vector<std::vector<Duration>>& tries() const { return tries_; }
  bool served(size_t client) const { return !clients_[client]->Shown<out::Connected>().empty(); }
  const ClientWorld& client(size_t i) const { return *clients_[i]; }

 private:
  static constexpr MonoTime kStart{1h};

  void Answer(size_t i) {
    ClientWorld& client = *clients_[i];
    if (places_ == 0) {
      return client.model->OnHello(
          Answered(absl::StatusCode::kResourceExhausted, "full: 100 of 100"), client.now());
    }
    --places_;
    client.Hello();
  }
  Duration DueIn(size_t i) const { return *clients_[i]->model->NextDeadline() - kStart; }
  size_t Earliest() const {
    size_t best = clients_.size();
    for (size_t i = 0; i < clients_.size(); ++i) {
      if (!clients_[i]->model->NextDeadline()) continue;
      if (best == clients_.size() || DueIn(i) < DueIn(best)) best = i;
    }
    return best;
  }

  size_t places_;
  std::vector<std::unique_ptr<ClientWorld>> clients_;
  std::vector<std::vector<Duration>> tries_;  // After the first, since the start.
};

TEST(CrowdTest, FiveHundredRefusedAtOnceTryFiveTimesInTenMinutesAndNeverTogether) {
  Crowd crowd(600, 100);
  crowd.RunUntil(10min);
  std::vector<Duration> all;
  for (size_t i = 0; i < 600; ++i) {
    EXPECT_EQ(crowd.served(i), i < 100) << i;
    const auto& tries = crowd.tries()[i];
    EXPECT_EQ(tries.size(), i < 100 ? 0u : 6u) << i;
    all.insert(all.end(), tries.begin(), tries.end());
    for (const auto& retry : crowd.client(i).Shown<out::Retry>()) {
      EXPECT_EQ(retry.reason, RetryReason::kFull);
    }
  }
  // Any second, wherever it begins.
  std::sort(all.begin(), all.end());
  size_t first = 0, most = 0;
  for (size_t last = 0; last < all.size(); ++last) {
    while (all[last] - all[first] >= 1s) ++first;
    most = std::max(most, last - first + 1);
  }
  EXPECT_LE(most, all.size() / 10) << "of " << all.size() << " tries";
}

TEST(CrowdTest, WhenPlacesAreFreeTheNextTryIsTheLast) {
  Crowd crowd(600, 100);
  crowd.RunUntil(100s);
  const auto before = crowd.tries();
  crowd.Free(500);
  crowd.RunUntil(10min);
  for (size_t i = 100; i < 600; ++i) {
    EXPECT_TRUE(crowd.served(i)) << i;
    EXPECT_EQ(crowd.tries()[i].size(), before[i].size() + 1) << i;
  }
}

TEST(CrowdTest, ARestartedServerSeesItsClientsSpreadOverTheWindowItGave) {
  constexpr size_t kClients = 1000;
  constexpr Duration kWindow = 2s;  // 1,000 clients at 500 a second.
  std::vector<size_t> by_tenth(20);
  for (size_t i = 0; i < kClients; ++i) {
    ClientWorld world(AppOptions{}, i + 1);
    world.LogIn();
    event::Attached attached;
    attached.reconnect_window = kWindow;
    world.model->OnChannelEnd(NoAnswer(), world.now());
    world.Advance(500ms);  // The window of the first attach, from LogIn.
    ASSERT_EQ(world.control.calls.back(), "connect") << i;
    world.Hello();
    world.model->OnChannelEvent(attached, world.now());
    world.model->OnChannelEnd(NoAnswer(), world.now());
    const auto next = world.model->NextDeadline();
    ASSERT_TRUE(next.has_value());
    const Duration in = *next - world.mono;
    ASSERT_LE(in, kWindow) << i;
    ++by_tenth[std::min<size_t>(static_cast<size_t>(in / 100ms), by_tenth.size() - 1)];
  }
  // 50 are expected in each; 90 are more than five standard deviations off.
  for (const size_t count : by_tenth) {
    EXPECT_GT(count, 10u);
    EXPECT_LT(count, 90u);
  }
}

}  // namespace
}  // namespace p2p::client
