#include "control-server/domain/address_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const Viewpoint kLan{.own = Ip("10.0.0.1"), .server = Ip("10.0.0.254")};

TEST(AddressMemoryTest, RemembersForTenMinutesOnTheMonotonicClock) {
  AddressMemory memory(10min);
  memory.Touch(Ip("10.0.0.7"), kBob, kWall, kStart);
  const auto found = memory.At(kLan, Ip("10.0.0.7"), kStart + 10min - 1ms);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].user, kBob);
  EXPECT_EQ(found[0].last_active, kWall);
  EXPECT_EQ(memory.LastActive(kBob, kStart + 9min), kWall);
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.7"), kStart + 10min), IsEmpty());
  EXPECT_FALSE(memory.LastActive(kBob, kStart + 10min).has_value());
  memory.Forget(kStart + 10min);
  EXPECT_EQ(memory.size(), 0u);
}

TEST(AddressMemoryTest, ARestartContinuesTheAgeFromTheRecord) {
  AddressMemory memory(10min);
  memory.Load({{Ip("10.0.0.7"), kBob, kWall - 9min}, {Ip("10.0.0.8"), kCarol, kWall - 10min}},
              kWall, kStart);
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.7"), kStart + 59s), SizeIs(1));
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.7"), kStart + 60s), IsEmpty());
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.8"), kStart), IsEmpty());
  EXPECT_THAT(memory.TakeChanged(), IsEmpty());  // What was loaded is on disk already.
}

TEST(AddressMemoryTest, AWallClockSetBackMakesNoRecordYoungerThanTheStart) {
  AddressMemory memory(10min);
  memory.Load({{Ip("10.0.0.7"), kBob, kWall + 24h}}, kWall, kStart);
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.7"), kStart + 9min), SizeIs(1));
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.7"), kStart + 10min), IsEmpty());
}

TEST(AddressMemoryTest, ChangesAreHandedOutOnce) {
  AddressMemory memory(10min);
  memory.Touch(Ip("10.0.0.7"), kBob, kWall, kStart);
  memory.Touch(Ip("10.0.0.7"), kBob, kWall + 1min, kStart + 1min);
  const auto changed = memory.TakeChanged();
  ASSERT_THAT(changed, SizeIs(1));
  EXPECT_EQ(changed[0], (AddressRecord{Ip("10.0.0.7"), kBob, kWall + 1min}));
  EXPECT_THAT(memory.TakeChanged(), IsEmpty());
}

TEST(AddressMemoryTest, LoopbackIsRememberedAtTheServersAddressForOthers) {
  AddressMemory memory(10min);
  memory.Touch(Ip("127.0.0.1"), kBob, kWall, kStart);
  EXPECT_THAT(memory.At(kLan, Ip("10.0.0.254"), kStart), SizeIs(1));
  EXPECT_THAT(memory.At(kLan, Ip("127.0.0.1"), kStart), IsEmpty());
}

TEST(AddressMemoryTest, OneAccountCannotFillTheMemory) {
  AddressMemory memory(10min);
  for (uint32_t i = 0; i < 100; ++i) {
    memory.Touch(net::IpAddress::V4(0x0A000000 + i), kBob, kWall, kStart + i * 1ms);
  }
  EXPECT_EQ(memory.size(), AddressMemory::kMaxPerAccount);
  EXPECT_THAT(memory.At(kLan, net::IpAddress::V4(0x0A000063), kStart + 1s), SizeIs(1));
  EXPECT_THAT(memory.At(kLan, net::IpAddress::V4(0x0A000000), kStart + 1s), IsEmpty());
}

}  // namespace
}  // namespace p2p::server
