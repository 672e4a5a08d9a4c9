// From the program's errors to gRPC statuses, with google.rpc details where they help a client.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/time.h"
#include "grpcpp/support/status.h"

namespace p2p::server {

// Same code, same message; with RetryInfo when RetryLaterError made it. The text must be fit for
// strangers: pass only statuses made for the caller.
grpc::Status ToGrpc(const absl::Status& status);

// ResourceExhausted: a rate limit; the call may be repeated after `delay`.
absl::Status RetryLaterError(absl::string_view message, Duration delay);

// With google.rpc.RetryInfo: the call may be repeated after `delay` (rounded up to a millisecond).
grpc::Status WithRetryInfo(grpc::StatusCode code, const std::string& message, Duration delay);

// With google.rpc.ErrorInfo, domain "p2p.v1", and then RetryInfo when the call may be repeated.
grpc::Status WithErrorInfo(grpc::StatusCode code, const std::string& message,
                           absl::string_view reason,
                           const std::vector<std::pair<std::string, std::string>>& metadata = {},
                           std::optional<Duration> delay = std::nullopt);

// Store errors reach clients in these words only: disk full is RESOURCE_EXHAUSTED, a full queue
// RESOURCE_EXHAUSTED with RetryInfo, everything else INTERNAL. Codes that `status` shares with the
// contract of the store (NotFound, AlreadyExists) are for the caller to handle before.
grpc::Status StoreFailure(const absl::Status& status);

}  // namespace p2p::server
