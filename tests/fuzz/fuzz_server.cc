#include "tests/fuzz/fuzz_server.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/crypto/os_random.h"
#include "common/relay/relay_token.h"
#include "control-server/grpc_front.h"
#include "control-server/store/data_directory.h"
#include "control-server/store/sqlite_store.h"
#include "grpcpp/generic/generic_stub.h"
#include "p2p/v1/accounts.grpc.pb.h"

namespace p2p::server {
namespace {

constexpr int kAccounts = 200;
constexpr char kPassword[] = "correct horse";
// Of that password, at 8 KiB and one pass: verified in microseconds.
constexpr char kPhc[] =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$t5QLzMlfSPLMezb1X/hRw1bKTTpryM1JhqBpLyqseOw";

std::string AccountName(int i) { return absl::StrFormat("member%03d", i); }

void AddAccounts(const std::string& path, WallTime now) {
  auto directory = DataDirectory::Open(path);
  P2P_CHECK(directory.ok());
  auto store = SqliteStore::Open(directory->database());
  P2P_CHECK(store.ok());
  crypto::OsRandom random;
  const absl::Status done = (*store)->Group([&] {
    for (int i = 0; i < kAccounts; ++i) {
      Account account;
      account.id = random.NewId<UserId>();
      account.username = AccountName(i);
      account.phc = kPhc;
      account.created_at = now;
      P2P_CHECK((*store)->CreateAccount(account).ok());
    }
    return absl::OkStatus();
  });
  P2P_CHECK(done.ok());
}

std::unique_ptr<grpc::ClientContext> NewCall(const std::string& authorization) {
  auto context = std::make_unique<grpc::ClientContext>();
  // Only a call that never ends may meet it, however busy the machine is.
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
  context->set_wait_for_ready(false);
  if (!authorization.empty()) context->AddMetadata("authorization", authorization);
  return context;
}

grpc::ByteBuffer Buffer(const std::string& message) {
  const grpc::Slice slice(message);
  return grpc::ByteBuffer(&slice, 1);
}

grpc::Status Unary(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                   const std::string& authorization, const std::string& message) {
  grpc::GenericStub stub(channel);
  const auto context = NewCall(authorization);
  const grpc::ByteBuffer request = Buffer(message);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(context.get(), method, {}, &request, &response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  return status;
}

// One operation at a time: starts it, waits for it.
class Stream {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
         const std::string& authorization)
      : stub_(channel), context_(NewCall(authorization)) {
    stream_ = stub_.PrepareCall(context_.get(), method, &queue_);
    stream_->StartCall(this);
    open_ = Await();
  }

  grpc::Status Run(const std::vector<std::string>& messages) {
    for (const std::string& message : messages) {
      if (!open_) break;
      stream_->Write(Buffer(message), this);
      open_ = Await();
    }
    if (open_) {
      stream_->WritesDone(this);
      Await();
    }
    grpc::ByteBuffer event;
    do {
      stream_->Read(&event, this);
    } while (Await());
    grpc::Status status;
    stream_->Finish(&status, this);
    Await();
    return status;
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    P2P_CHECK(queue_.Next(&tag, &ok));
    return ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool open_ = false;
};

}  // namespace

FuzzServer::FuzzServer() {
  std::string pattern = (std::filesystem::temp_directory_path() / "p2p-fuzz-XXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  AddAccounts(directory_, clock_.Wall());
  crypto::OsRandom random;
  const SecretText token = relay::MakeRelayToken(random);
  std::ofstream(absl::StrCat(directory_, "/relay.token")) << token.view() << "\n";
  P2P_CHECK(::chmod(absl::StrCat(directory_, "/relay.token").c_str(), 0600) == 0);
  relay_authorization_ = absl::StrCat("Bearer ", token.view());
  Start();
  Connect();
  admin_ = grpc::CreateChannel(absl::StrCat("unix:", directory_, "/admin.sock"),
                               grpc::InsecureChannelCredentials());
  LogInAgain();
}

FuzzServer::~FuzzServer() {
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void FuzzServer::Start() {
  QuietGrpc();
  ServerOptions options;
  options.listen = *net::SocketAddress::Parse("127.0.0.1:0");
  options.data_dir = directory_;
  options.admin_socket = absl::StrCat(directory_, "/admin.sock");
  options.relay_token_file = absl::StrCat(directory_, "/relay.token");
  options.rates.calls = {.burst = 1'000'000, .every = std::chrono::microseconds(1)};
  // A penalty follows every third input; none of them locks an account for longer.
  options.timing.penalty_window = std::chrono::milliseconds(1);
  options.timing.penalty_cooldown = std::chrono::milliseconds(1);
  auto server = Server::Start(options, clock_, [](const absl::Status&) { P2P_CHECK(false); });
  P2P_CHECK(server.ok());
  server_ = *std::move(server);
}

void FuzzServer::Connect() {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = server_->identity().certificate.certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  channel_ = grpc::CreateCustomChannel(server_->address().ToString(), grpc::SslCredentials(tls),
                                       arguments);
}

void FuzzServer::LogInAgain() {
  v1::LoginRequest request;
  request.set_password(kPassword);
  request.set_device_public_key(std::string(32, 'k'));
  request.mutable_chat_endpoint()->set_port(4400);
  for (int tries = 0; tries < kAccounts; ++tries) {
    request.set_username(AccountName(account_++ % kAccounts));
    v1::LoginResponse response;
    const auto stub = v1::AccountService::NewStub(channel_);
    const grpc::Status status = stub->Login(NewCall("").get(), request, &response);
    authorization_ = absl::StrCat("Bearer ", response.session_token());
    if (status.ok()) return;
    Connect();
  }
  P2P_CHECK(false);
}

grpc::Status FuzzServer::Call(const std::string& method, const std::string& authorization,
                              bool streaming, const std::vector<std::string>& messages) {
  const auto once = [&] {
    if (streaming) return Stream(channel_, method, authorization).Run(messages);
    return Unary(channel_, method, authorization, messages.empty() ? "" : messages.front());
  };
  grpc::Status status = once();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    Connect();
    status = once();
  }
  if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) Connect();
  return status;
}

grpc::Status FuzzServer::CallAdmin(const std::string& method, const std::string& message) {
  return Unary(admin_, method, "", message);
}

}  // namespace p2p::server
