#include "peer-client/app/retry_schedule.h"

#include <gtest/gtest.h>

namespace p2p::client {
namespace {

TEST(NotServedScheduleTest, FiveRetriesAtLeastFallIntoTenMinutesForEverySeed) {
  const config::Timing timing;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SeededRandom random(seed);
    NotServedSchedule schedule(timing);
    const MonoTime start{1h};
    MonoTime now = start;
    std::vector<Duration> gaps;
    for (int i = 1; i <= 6; ++i) {
      const NextTry next = schedule.After(now, random);
      EXPECT_EQ(next.attempt, i) << seed;
      EXPECT_EQ(next.of, 6) << seed;
      EXPECT_GE(next.at, now) << seed;
      now = next.at;
      gaps.push_back(now - start);
    }
    EXPECT_GE(gaps[0], 3s) << seed;
    EXPECT_LE(gaps[0], 7s) << seed;
    EXPECT_LE(gaps[5], 590s) << seed;
    EXPECT_GE(gaps[5], 480s) << seed;
    const NextTry forever = schedule.After(now, random);
    EXPECT_EQ(forever.of, 0) << seed;
    EXPECT_LE(forever.at - now, 10min) << seed;
    EXPECT_GE(forever.at - now, 8min) << seed;
  }
}

TEST(NotServedScheduleTest, TwoClientsRefusedTogetherDoNotReturnTogether) {
  const config::Timing timing;
  SeededRandom a(1), b(2);
  NotServedSchedule first(timing), second(timing);
  EXPECT_NE(first.After(MonoTime{1h}, a).at, second.After(MonoTime{1h}, b).at);
}

TEST(NotServedScheduleTest, SlowTriesDoNotPushTheScheduleBack) {
  const config::Timing timing;
  SeededRandom random(3);
  NotServedSchedule schedule(timing);
  const MonoTime start{1h};
  schedule.After(start, random);
  // A try that ended only after 200 s: the next three are due already.
  const NextTry next = schedule.After(start + 200s, random);
  EXPECT_EQ(next.at, start + 200s);
}

TEST(LostScheduleTest, FirstWithinTheWindowThenJitterUpToThirtySecondsWithoutEnd) {
  const config::Timing timing;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRandom random(seed);
    LostSchedule schedule(timing);
    const MonoTime now{1h};
    EXPECT_LE(schedule.After(now, 2s, random).at - now, 2s) << seed;
    Duration limit = 1s;
    for (int i = 0; i < 12; ++i) {
      const NextTry next = schedule.After(now, 2s, random);
      EXPECT_LE(next.at - now, std::min<Duration>(limit, 30s)) << seed << " try " << i;
      EXPECT_EQ(next.of, 0);
      limit *= 2;
    }
    schedule.Reset();
    EXPECT_LE(schedule.After(now, 1ms, random).at - now, 1ms) << seed;
  }
}

}  // namespace
}  // namespace p2p::client
