// gRPC takes its last sockets and TLS sessions down on threads of its own. A test program that ends
// meanwhile shows LeakSanitizer what they were about to free; so it waits for them first.
#include <gtest/gtest.h>

#include "grpc/grpc.h"

namespace {

class GrpcUntilTheEnd : public ::testing::Environment {
 public:
  void SetUp() override { grpc_init(); }
  void TearDown() override { grpc_shutdown_blocking(); }
};

const auto* const kGrpc = ::testing::AddGlobalTestEnvironment(new GrpcUntilTheEnd);

}  // namespace
