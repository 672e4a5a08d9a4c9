#include "control-server/admission/capacity.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "absl/strings/match.h"

namespace p2p::server {
namespace {

TEST(CapacityTest, TheDefaultIsWhatTheDescriptorsAllowUpToTenThousand) {
  EXPECT_EQ(*ConnectionCap(256, std::nullopt), 160u);
  EXPECT_EQ(*ConnectionCap(1024, std::nullopt), 724u);
  EXPECT_EQ(*ConnectionCap(20'000, std::nullopt), 10'000u);
  EXPECT_EQ(*ConnectionCap(RLIM_INFINITY, std::nullopt), 10'000u);
}

TEST(CapacityTest, ARequestThatFitsIsTaken) {
  EXPECT_EQ(*ConnectionCap(1024, 50), 50u);
  EXPECT_EQ(*ConnectionCap(1024, 724), 724u);
  EXPECT_EQ(*ConnectionCap(20'000, 19'700), 19'700u);
}

TEST(CapacityTest, ARequestThatDoesNotFitSaysHowToRaiseTheLimit) {
  const auto cap = ConnectionCap(1024, 725);
  EXPECT_EQ(cap.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(cap.status().message(), "ulimit -n")) << cap.status();
  EXPECT_TRUE(absl::StrContains(cap.status().message(), "724")) << cap.status();
  EXPECT_FALSE(ConnectionCap(1024, 0).ok());
}

TEST(CapacityTest, ALimitWithoutAnyRoomIsAnError) {
  EXPECT_FALSE(ConnectionCap(96, std::nullopt).ok());
  EXPECT_EQ(*ConnectionCap(97, std::nullopt), 1u);
}

}  // namespace
}  // namespace p2p::server
