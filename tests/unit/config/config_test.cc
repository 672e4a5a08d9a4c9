#include <gtest/gtest.h>

#include "common/config/duration.h"
#include "common/config/timing.h"

namespace p2p::config {
namespace {

TEST(DurationTest, ReadsUnitsAndRefusesTheRest) {
  EXPECT_EQ(*ParseDuration("250ms"), 250ms);
  EXPECT_EQ(*ParseDuration("1.5s"), 1500ms);
  EXPECT_EQ(*ParseDuration("5m"), 5min);
  EXPECT_EQ(*ParseDuration("12h"), 12h);
  EXPECT_EQ(*ParseDuration("3"), 3s);
  for (const char* bad : {"", "s", "-1s", "1x", "nan", "1e300s", "1 s x"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(TimingTest, SetsByNameAndNamesTheKeyInErrors) {
  Timing timing;
  EXPECT_TRUE(SetTiming(timing, "retention", "20s").ok());
  EXPECT_EQ(timing.retention, 20s);
  EXPECT_EQ(SetTiming(timing, "nonsense", "1s").message(), "unknown key timing.nonsense");
  EXPECT_FALSE(SetTiming(timing, "retention", "soon").ok());
  EXPECT_EQ(timing.retention, 20s);
}

}  // namespace
}  // namespace p2p::config
