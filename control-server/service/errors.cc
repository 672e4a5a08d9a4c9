#include "control-server/service/errors.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace p2p::server {
namespace {

grpc::Status WithDetail(grpc::StatusCode code, const std::string& message,
                        const google::protobuf::Message& detail) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  // Both enumerations follow google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

grpc::Status WithRetryInfo(grpc::StatusCode code, const std::string& message, Duration delay) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(ms / 1000);
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  return WithDetail(code, message, info);
}

grpc::Status WithErrorInfo(grpc::StatusCode code, const std::string& message,
                           absl::string_view reason,
                           const std::vector<std::pair<std::string, std::string>>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("p2p.v1");
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  return WithDetail(code, message, info);
}

grpc::Status StoreFailure(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) {
    return WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED,
                         "the server cannot store anything at the moment", 5s);
  }
  return grpc::Status(grpc::StatusCode::INTERNAL, "the server's store failed");
}

}  // namespace p2p::server
