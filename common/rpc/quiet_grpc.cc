#include "common/rpc/quiet_grpc.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include "absl/synchronization/mutex.h"

namespace p2p::rpc {

void QuietGrpc() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace p2p::rpc
