#include "peer-client/control/convert.h"

#include <gtest/gtest.h>

#include <limits>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace p2p::client {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

google::protobuf::Timestamp Stamp(int64_t seconds, int32_t nanos) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(seconds);
  stamp.set_nanos(nanos);
  return stamp;
}

TEST(ConvertTest, TimesBeyondReckoningAreTakenAsTheNearestOnes) {
  EXPECT_EQ(ToWall(Stamp(1'700'000'000, 5'000'000)), WallFromMs(1'700'000'000'005));
  const WallTime last = ToWall(Stamp(kMost, std::numeric_limits<int32_t>::max()));
  const WallTime first = ToWall(Stamp(kLeast, std::numeric_limits<int32_t>::min()));
  EXPECT_EQ(first, WallTime{});
  const Duration between = last - first;  // Would overflow with more than 292 years.
  EXPECT_GT(between, 200 * 365 * 24h);
}

TEST(ConvertTest, AWaitIsNeverLongerThanAnHourWhateverTheServerSays) {
  for (const int64_t seconds : {kLeast, int64_t{-1}, int64_t{0}, int64_t{5}, kMost}) {
    google::rpc::RetryInfo info;
    info.mutable_retry_delay()->set_seconds(seconds);
    info.mutable_retry_delay()->set_nanos(std::numeric_limits<int32_t>::max());
    google::rpc::Status details;
    details.add_details()->PackFrom(info);
    const CallError error = ToCallError(
        grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "m", details.SerializeAsString()), true);
    ASSERT_TRUE(error.retry_after);
    EXPECT_GE(*error.retry_after, Duration::zero());
    EXPECT_LE(*error.retry_after, 1h);
  }
}

TEST(ConvertTest, APenaltysEndIsATimeToReckonWith) {
  google::rpc::ErrorInfo info;
  info.set_reason("PENALTY");
  (*info.mutable_metadata())["end"] = "infinite-future";
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  const CallError error = ToCallError(
      grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "m", details.SerializeAsString()), true);
  ASSERT_TRUE(error.penalty && error.penalty->until);
  EXPECT_EQ(*error.penalty->until, ToWall(Stamp(kMost, 0)));
}

TEST(ConvertTest, APortThatIsNoneMakesNoAddress) {
  v1::CheckInboundResponse response;
  response.set_ip_address("10.0.0.7");
  response.set_port(4400);
  EXPECT_EQ(ToInboundInfo(response).address, "10.0.0.7:4400");
  response.set_port(65536 + 4400);
  EXPECT_EQ(ToInboundInfo(response).address, "");
}

TEST(ConvertTest, BroadcastsAreKeptForAYearAtMost) {
  v1::ServerEvent event;
  event.mutable_attached()->set_broadcast_retention_s(1800);
  EXPECT_EQ(std::get<event::Attached>(*ToChannelEvent(event)).broadcast_retention, 30min);
  event.mutable_attached()->set_broadcast_retention_s(std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(std::get<event::Attached>(*ToChannelEvent(event)).broadcast_retention, 366 * 24h);
}

}  // namespace
}  // namespace p2p::client
