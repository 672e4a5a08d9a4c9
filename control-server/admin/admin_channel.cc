#include "control-server/admin/admin_channel.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/crypto/os_random.h"
#include "control-server/admin/admin_service.h"
#include "control-server/admin/admin_socket.h"
#include "control-server/store/data_directory.h"
#include "control-server/store/sqlite_store.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/grpcpp.h"

namespace p2p::server {
namespace {

grpc::ChannelArguments Unbounded() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return arguments;
}

class SocketChannel final : public AdminChannel {
 public:
  explicit SocketChannel(net::UniqueFd fd)
      : stub_(v1::AdminService::NewStub(
            grpc::CreateCustomInsecureChannelFromFd("admin-socket", fd.Release(), Unbounded()))) {}
  v1::AdminService::StubInterface& stub() override { return *stub_; }

 private:
  std::unique_ptr<v1::AdminService::Stub> stub_;
};

class DirectoryChannel final : public AdminChannel {
 public:
  DirectoryChannel(DataDirectory directory, std::unique_ptr<SqliteStore> store,
                   const config::Timing& timing)
      : directory_(std::move(directory)),
        store_(std::move(store)),
        timing_(timing),
        access_(*store_),
        service_({.store = access_,
                  .live = nobody_,
                  .clock = clock_,
                  .random = random_,
                  .timing = timing_}) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(-1);
    builder.SetMaxSendMessageSize(-1);
    server_ = builder.BuildAndStart();
    P2P_CHECK(server_ != nullptr);  // It listens nowhere: nothing can fail.
    stub_ = v1::AdminService::NewStub(server_->InProcessChannel(Unbounded()));
  }
  ~DirectoryChannel() override {
    stub_.reset();
    server_->Shutdown();  // Every call is over.
  }
  v1::AdminService::StubInterface& stub() override { return *stub_; }

 private:
  const DataDirectory directory_;
  const std::unique_ptr<SqliteStore> store_;
  const config::Timing timing_;
  const SystemClock clock_;
  crypto::OsRandom random_;
  DirectStore access_;
  LiveServer nobody_;
  AdminService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::AdminService::Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminChannel>> AdminChannel::Open(const std::string& socket,
                                                                 const std::string& data_dir,
                                                                 const config::Timing& timing) {
  if (!socket.empty()) {
    auto connected = ConnectUnix(socket);
    if (connected.ok()) return std::make_unique<SocketChannel>(*std::move(connected));
    // Absent, or left behind by a server that is gone.
    if (!absl::IsNotFound(connected.status()) && !absl::IsUnavailable(connected.status())) {
      return connected.status();
    }
  }
  auto directory = DataDirectory::Open(data_dir);
  if (absl::IsAlreadyExists(directory.status())) {
    return absl::UnavailableError(absl::StrCat(
        "a server is running on this data directory (", directory.status().message(), "), but ",
        socket.empty() ? "it is to be asked over no admin socket"
                       : absl::StrCat("nobody answers on its admin socket ", socket)));
  }
  P2P_RETURN_IF_ERROR(directory.status());
  P2P_ASSIGN_OR_RETURN(auto store, SqliteStore::Open(directory->database()));
  return std::make_unique<DirectoryChannel>(*std::move(directory), std::move(store), timing);
}

}  // namespace p2p::server
