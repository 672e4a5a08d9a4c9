#include "udp-relay/core/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/random.h"

namespace p2p::relay {
namespace {

// What is due, in turn, and forgets it.
std::vector<TimerWheel::Slot> TakeDue(TimerWheel& wheel, MonoTime now) {
  std::vector<TimerWheel::Slot> out;
  while (const auto slot = wheel.Due(now)) {
    out.push_back(*slot);
    wheel.Set(*slot, std::nullopt);
  }
  return out;
}

Duration ATime(SeededRandom& random) {
  constexpr Duration kScales[] = {5ms, 300ms, 20s, 10min, 3h};
  const Duration scale = kScales[random.Below(std::size(kScales))];
  return Duration(static_cast<int64_t>(random.Below(static_cast<uint64_t>(scale.count()))));
}

TEST(TimerWheelTest, AgreesWithAMapThroughEveryChange) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SeededRandom random(seed);
    TimerWheel wheel;
    std::map<TimerWheel::Slot, MonoTime> model;
    MonoTime now{ATime(random) * 100};
    for (int i = 0; i < 5'000; ++i) {
      const auto slot = static_cast<TimerWheel::Slot>(random.Below(100));
      switch (random.Below(4)) {
        case 0:
          wheel.Set(slot, std::nullopt);
          model.erase(slot);
          break;
        case 1:
          now += ATime(random);
          for (const auto due : TakeDue(wheel, now)) {
            ASSERT_TRUE(model.contains(due));
            ASSERT_LE(model.at(due), now) << "early";
            model.erase(due);
          }
          for (const auto& [s, at] : model) ASSERT_GT(at + 1ms, now) << "late";
          break;
        default: {
          const MonoTime at = random.Below(10) == 0 ? now - ATime(random) : now + ATime(random);
          wheel.Set(slot, at);
          model[slot] = at;
        }
      }
      ASSERT_EQ(wheel.size(), model.size());
      ASSERT_EQ(wheel.next().has_value(), !model.empty());
    }
  }
}

// As a loop does: asks when it is told to, and sleeps in between.
TEST(TimerWheelTest, WhoAsksWhenToldMissesNothingAndIsNotWokenInVain) {
  SeededRandom random(4);
  TimerWheel wheel;
  MonoTime now{77h};
  std::map<TimerWheel::Slot, MonoTime> model;
  for (TimerWheel::Slot slot = 0; slot < 300; ++slot) {
    model[slot] = now + ATime(random);
    wheel.Set(slot, model[slot]);
  }
  int asked = 0;
  while (const auto next = wheel.next()) {
    ++asked;
    now = std::max(now, *next);
    for (const auto due : TakeDue(wheel, now)) {
      EXPECT_LE(model.at(due), now);
      EXPECT_LT(now, model.at(due) + 1ms);
      model.erase(due);
    }
  }
  EXPECT_TRUE(model.empty());
  EXPECT_LT(asked, 300 * 2 + 3 * 3600 / 260 + 300) << "once for each, and to file it anew";
}

TEST(TimerWheelTest, FirstComeFirstServedAmongTheDue) {
  TimerWheel wheel;
  const MonoTime now{1h};
  for (TimerWheel::Slot slot : {3, 1, 2}) wheel.Set(slot, now - 1s);
  EXPECT_EQ(TakeDue(wheel, now), (std::vector<TimerWheel::Slot>{3, 1, 2}));
}

}  // namespace
}  // namespace p2p::relay
