#include "control-server/service/errors.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace p2p::server {
namespace {

// A payload of absl::Status: nanoseconds as text.
constexpr absl::string_view kRetryDelay = "p2p.v1/retry-delay";

google::rpc::Status Details(grpc::StatusCode code, const std::string& message) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  return status;
}

void AddRetryInfo(google::rpc::Status& status, Duration delay) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(ms / 1000);
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  status.add_details()->PackFrom(info);
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  int64_t delay = 0;
  const auto payload = status.GetPayload(kRetryDelay);
  if (payload && absl::SimpleAtoi(std::string(*payload), &delay)) {
    return WithRetryInfo(static_cast<grpc::StatusCode>(status.code()),
                         std::string(status.message()), Duration(delay));
  }
  // Both enumerations follow google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

absl::Status RetryLaterError(absl::string_view message, Duration delay) {
  absl::Status status = absl::ResourceExhaustedError(message);
  status.SetPayload(kRetryDelay, absl::Cord(absl::StrCat(delay.count())));
  return status;
}

grpc::Status WithRetryInfo(grpc::StatusCode code, const std::string& message, Duration delay) {
  google::rpc::Status status = Details(code, message);
  AddRetryInfo(status, delay);
  return grpc::Status(code, message, status.SerializeAsString());
}

grpc::Status WithErrorInfo(grpc::StatusCode code, const std::string& message,
                           absl::string_view reason,
                           const std::vector<std::pair<std::string, std::string>>& metadata,
                           std::optional<Duration> delay) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("p2p.v1");
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  google::rpc::Status status = Details(code, message);
  status.add_details()->PackFrom(info);
  if (delay) AddRetryInfo(status, std::max(*delay, Duration::zero()));
  return grpc::Status(code, message, status.SerializeAsString());
}

grpc::Status StoreFailure(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) {
    return WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED,
                         "the server cannot store anything at the moment", 5s);
  }
  return grpc::Status(grpc::StatusCode::INTERNAL, "the server's store failed");
}

}  // namespace p2p::server
