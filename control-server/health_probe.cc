#include "control-server/health_probe.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace p2p::server {
namespace {

constexpr auto kLimit = std::chrono::seconds(5);
using grpc::health::v1::HealthCheckResponse;

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  return grpc::CreateChannel(target, grpc::experimental::TlsCredentials(options));
}

std::string Flatten(grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  for (const grpc::Slice& slice : slices) {
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return out;
}

}  // namespace

absl::Status ProbeHealth(const std::string& target) {
  grpc::GenericStub stub(Connect(target));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kLimit);
  const grpc::Slice empty;
  grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&](grpc::Status result) {
                   status = std::move(result);
                   done.Notify();
                 });
  done.WaitForNotification();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError(absl::StrCat(target, ": ", status.error_message()));
  }
  if (!status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(target, ": ", status.error_message()));
  }
  HealthCheckResponse answer;
  if (!answer.ParseFromString(Flatten(response)) ||
      answer.status() != HealthCheckResponse::SERVING) {
    return absl::FailedPreconditionError(absl::StrCat(target, " is not serving"));
  }
  return absl::OkStatus();
}

}  // namespace p2p::server
