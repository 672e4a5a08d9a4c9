#include "control-server/grpc_front.h"

#include <algorithm>
#include <chrono>

#include "absl/memory/memory.h"
#include "common/base/check.h"
#include "common/rpc/quiet_grpc.h"
#include "control-server/admission/capacity.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"

namespace p2p::server {
namespace {

constexpr int kMaxStreamsPerConnection = 8;
constexpr int kMaxReceive = 64 * 1024;  // The largest request is a broadcast of 60 KiB.
constexpr int kMaxSend = 1024 * 1024;
constexpr int kMaxMetadata = 8 * 1024;
// A client that pings more often is cut; ours pings at timing.client_keepalive.
constexpr Duration kMinPingInterval = 10s;

int Ms(Duration d) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

void SetArguments(grpc::ServerBuilder& builder, const config::Timing& timing) {
  builder.SetMaxReceiveMessageSize(kMaxReceive);
  builder.SetMaxSendMessageSize(kMaxSend);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Ms(timing.tls_handshake));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Ms(timing.server_keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Ms(timing.server_keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Ms(std::min(kMinPingInterval, timing.client_keepalive / 2)));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

// Linking the reflection library makes every server of the process offer reflection; this takes it
// out of one.
class NoReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string name = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&name](const auto& plugin) { return plugin->name() == name; });
  }
};

std::shared_ptr<grpc::ServerCredentials> Credentials(const crypto::PemPair& pair) {
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({pair.private_key, pair.certificate});
  return grpc::SslServerCredentials(options);
}

}  // namespace

void QuietGrpc() { rpc::QuietGrpc(); }

absl::StatusOr<std::unique_ptr<GrpcFront>> GrpcFront::Create(FrontOptions options,
                                                             const Clock& clock) {
  P2P_ASSIGN_OR_RETURN(
      auto registry,
      ConnectionRegistry::Create(
          {.served = options.max_connections,
           .full = kFullPlaces,
           .unauthenticated = MaxUnauthenticated(options.max_connections),
           .bytes = options.bytes},
          {.hello = options.timing.hello, .authentication = options.timing.authentication},
          {.sweep = options.timing.registry_sweep, .late = options.timing.server_keepalive_timeout},
          clock));
  P2P_ASSIGN_OR_RETURN(auto listener, Listen(options.listen));
  P2P_ASSIGN_OR_RETURN(const auto address, LocalAddressOf(listener.get()));
  return absl::WrapUnique(
      new GrpcFront(std::move(options), clock, std::move(registry), std::move(listener), address));
}

GrpcFront::GrpcFront(FrontOptions options, const Clock& clock,
                     std::unique_ptr<ConnectionRegistry> registry, net::UniqueFd listener,
                     net::SocketAddress address)
    : options_(std::move(options)),
      clock_(clock),
      registry_(std::move(registry)),
      listener_(std::move(listener)),
      address_(address) {}

GrpcFront::~GrpcFront() { Shutdown(); }

absl::Status GrpcFront::Start(const std::vector<grpc::Service*>& services,
                              grpc::CallbackGenericService* generic) {
  using Builder = grpc::ServerBuilder;
  grpc::EnableDefaultHealthCheckService(true);
  Builder builder;
  if (options_.reflection) {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // The library's own health service brings no descriptors; without them reflection lists it but
    // cannot describe it.
    google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
  } else {
    builder.SetOption(std::make_unique<NoReflection>());
  }
  SetArguments(builder, options_.timing);
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      Builder::experimental_type::ExternalConnectionType::FROM_FD,
      Credentials(options_.certificate));
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (generic != nullptr) builder.RegisterCallbackGenericService(generic);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    return absl::InvalidArgumentError("gRPC refused to start: is the certificate usable?");
  }
  P2P_ASSIGN_OR_RETURN(
      loop_,
      AcceptLoop::Create(
          std::move(listener_), *registry_, clock_,
          [acceptor = acceptor_.get()](int listener_fd, int fd) {
            grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
            connection.listener_fd = listener_fd;
            connection.fd = fd;
            acceptor->HandleNewConnection(&connection);
          }));
  loop_->Start();
  return absl::OkStatus();
}

void GrpcFront::Shutdown() {
  if (loop_ != nullptr) loop_->Stop();
  if (server_ == nullptr) return;
  server_->Shutdown(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::microseconds>(options_.timing.shutdown));
  server_.reset();
}

}  // namespace p2p::server
