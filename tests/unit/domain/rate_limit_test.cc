#include "control-server/domain/rate_limit.h"

#include <gtest/gtest.h>

namespace p2p::server {
namespace {

constexpr MonoTime kStart{1h};

net::IpAddress Ip(absl::string_view text) { return *net::IpAddress::Parse(text); }

// Takes as many as there are; how many that was.
template <class Key>
int Drain(RateTable<Key>& table, const Key& key, MonoTime now) {
  int taken = 0;
  for (; table.Wait(key, now) == Duration::zero() && taken < 10'000; ++taken) table.Take(key, now);
  return taken;
}

TEST(RateTableTest, ABurstThenTheRateAndAfterARestTheBurstAgain) {
  RateTable<int> table({.burst = 100, .every = 50ms}, 10);
  EXPECT_EQ(Drain(table, 1, kStart), 100);
  EXPECT_EQ(table.Wait(1, kStart), Duration(50ms));
  EXPECT_EQ(table.Wait(1, kStart + 49ms), Duration(1ms));
  EXPECT_EQ(Drain(table, 1, kStart + 50ms), 1);
  EXPECT_EQ(Drain(table, 1, kStart + 1050ms), 20);
  EXPECT_EQ(Drain(table, 1, kStart + 1h), 100);  // Never more than the burst is saved up.
}

TEST(RateTableTest, KeysDoNotShare) {
  RateTable<int> table({.burst = 3, .every = 1s}, 10);
  EXPECT_EQ(Drain(table, 1, kStart), 3);
  EXPECT_EQ(Drain(table, 2, kStart), 3);
}

TEST(RateTableTest, RemembersOnlyThoseWhoUsedTheirsLately) {
  RateTable<int> table({.burst = 3, .every = 1s}, 1000);
  for (int key = 0; key < 100; ++key) table.Take(key, kStart);
  EXPECT_EQ(table.size(), 100u);
  table.Take(500, kStart + 1s);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.evicted(), 0u);
}

TEST(RateTableTest, AFullTableForgetsTheOneThatGainsLeast) {
  RateTable<int> table({.burst = 3, .every = 1s}, 2);
  EXPECT_EQ(Drain(table, 1, kStart), 3);
  table.Take(2, kStart);
  table.Take(3, kStart);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.evicted(), 1u);
  EXPECT_GT(table.Wait(1, kStart), Duration::zero());  // Number 2 was forgotten, not number 1.
  EXPECT_EQ(Drain(table, 2, kStart), 3);
}

TEST(SignupLimitTest, ASourceHasAHundredAtOnceAndFiveAMinute) {
  SignupLimit limit{RateOptions()};
  const auto go = [&](const char* ip, MonoTime now) {
    return limit.Take(Ip(ip), now).verdict == SignupLimit::Verdict::kGo;
  };
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(go("10.0.0.7", kStart)) << i;
  const auto refused = limit.Take(Ip("10.0.0.7"), kStart);
  EXPECT_EQ(refused.verdict, SignupLimit::Verdict::kSourceWaits);
  EXPECT_EQ(refused.wait, Duration(12s));
  EXPECT_TRUE(go("10.0.0.8", kStart));
  int taken = 0;
  for (int i = 0; i < 10; ++i) taken += go("10.0.0.7", kStart + 60s);
  EXPECT_EQ(taken, 5);
}

TEST(SignupLimitTest, OfVersionSixASourceIsASixtyFour) {
  SignupLimit limit{RateOptions{.signup_source = {.burst = 1, .every = 12s}}};
  EXPECT_EQ(limit.Take(Ip("2001:db8::1"), kStart).verdict, SignupLimit::Verdict::kGo);
  EXPECT_EQ(limit.Take(Ip("2001:db8::ffff:2"), kStart).verdict, SignupLimit::Verdict::kSourceWaits);
  EXPECT_EQ(limit.Take(Ip("2001:db8:0:1::1"), kStart).verdict, SignupLimit::Verdict::kGo);
}

TEST(SignupLimitTest, LoopbackCountsInTheTotalOnlyAndTheTotalHoldsForAll) {
  SignupLimit limit{RateOptions()};
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(limit.Take(Ip("127.0.0.1"), kStart).verdict, SignupLimit::Verdict::kGo) << i;
  }
  const auto refused = limit.Take(Ip("10.0.0.7"), kStart);
  EXPECT_EQ(refused.verdict, SignupLimit::Verdict::kAllWait);
  EXPECT_EQ(refused.wait, Duration(1200ms));
  // What all had to wait for was not taken from the source.
  int taken = 0;
  for (int i = 0; i < 200; ++i) {
    taken += limit.Take(Ip("10.0.0.7"), kStart + 1h).verdict == SignupLimit::Verdict::kGo;
  }
  EXPECT_EQ(taken, 100);
}

}  // namespace
}  // namespace p2p::server
