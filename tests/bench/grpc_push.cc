#include "tests/bench/grpc_push.h"

#include <chrono>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/crypto/certificate.h"
#include "grpcpp/server_builder.h"

namespace p2p::bench {

class GrpcPush::Stream final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Stream(std::atomic<uint64_t>& acknowledged) : acknowledged_(acknowledged) {
    StartSendInitialMetadata();
    StartRead(&acknowledgement_);
  }
  void Write(const grpc::ByteBuffer& message) {
    message_ = message;  // Shares the bytes.
    StartWrite(&message_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    acknowledged_.fetch_add(1, std::memory_order_relaxed);
    StartRead(&acknowledgement_);
  }
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override {}  // Owned by the service until the server is gone.

 private:
  std::atomic<uint64_t>& acknowledged_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer acknowledgement_;
};

class GrpcPush::Service final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    const absl::MutexLock lock(&mu_);
    streams_.push_back(std::make_unique<Stream>(acknowledged));
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
  std::atomic<uint64_t> acknowledged{0};

 private:
  mutable absl::Mutex mu_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

GrpcPush::GrpcPush() : service_(std::make_unique<Service>()) {
  const auto pair = crypto::MakeServerCertificate({"localhost"}, {}, SystemClock().Wall());
  P2P_CHECK(pair.ok());
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({pair->private_key, pair->certificate});
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
  P2P_CHECK(server_ != nullptr);
}

GrpcPush::~GrpcPush() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

uint64_t GrpcPush::acknowledged() const { return service_->acknowledged; }

size_t GrpcPush::streams() const { return service_->size(); }

void GrpcPush::Push(const std::string& message) {
  const grpc::Slice slice(message);
  service_->Push(grpc::ByteBuffer(&slice, 1));
}

}  // namespace p2p::bench
