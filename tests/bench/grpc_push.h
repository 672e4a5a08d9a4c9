// A gRPC server with many open streams that pushes one message to all of them and reads an
// acknowledgement from each, over TLS: a yardstick.
#pragma once

#include <memory>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"

namespace p2p::bench {

// On loopback. The message is serialized once; everything is thread-safe.
class GrpcPush {
 public:
  GrpcPush();
  ~GrpcPush();
  uint16_t port() const { return static_cast<uint16_t>(port_); }
  size_t streams() const;
  // To all streams. Not again before all have acknowledged it.
  void Push(const std::string& message);
  uint64_t acknowledged() const;

 private:
  class Stream;
  class Service;
  std::unique_ptr<Service> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace p2p::bench
