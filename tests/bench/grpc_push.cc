#include "tests/bench/grpc_push.h"

#include <chrono>

#include "common/base/check.h"
#include "grpcpp/server_builder.h"

namespace p2p::bench {

class GrpcPush::Stream final : public grpc::ServerGenericBidiReactor {
 public:
  Stream() { StartSendInitialMetadata(); }
  void Write(const grpc::ByteBuffer& message) {
    message_ = message;  // Shares the bytes.
    StartWrite(&message_);
  }
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override {}  // Owned by the service until the server is gone.

 private:
  grpc::ByteBuffer message_;
};

class GrpcPush::Service final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    const absl::MutexLock lock(&mu_);
    streams_.push_back(std::make_unique<Stream>());
    return streams_.back().get();
  }
  size_t size() const {
    const absl::MutexLock lock(&mu_);
    return streams_.size();
  }
  void Push(const grpc::ByteBuffer& message) {
    const absl::MutexLock lock(&mu_);
    for (const auto& stream : streams_) stream->Write(message);
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

GrpcPush::GrpcPush() : service_(std::make_unique<Service>()) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
  P2P_CHECK(server_ != nullptr);
}

GrpcPush::~GrpcPush() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

size_t GrpcPush::streams() const { return service_->size(); }

void GrpcPush::Push(const std::string& message) {
  const grpc::Slice slice(message);
  service_->Push(grpc::ByteBuffer(&slice, 1));
}

}  // namespace p2p::bench
