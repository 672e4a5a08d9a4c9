#include "tests/integration/server_fixture.h"

#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/crypto/hash.h"
#include "common/wire/resume_statement.h"
#include "grpcpp/generic/generic_stub.h"

namespace p2p::server {

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "p2p-test-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestCaller::TestCaller(const net::SocketAddress& server, const std::string& root_certificate) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = root_certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  channel_ = grpc::CreateCustomChannel(server.ToString(), grpc::SslCredentials(tls), arguments);
  accounts_ = v1::AccountService::NewStub(channel_);
  directory_ = v1::DirectoryService::NewStub(channel_);
}

std::unique_ptr<grpc::ClientContext> TestCaller::NewCall() const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  if (!authorization.empty()) context->AddMetadata("authorization", authorization);
  return context;
}

grpc::Status TestCaller::Hello(const std::string& version) {
  v1::HelloRequest request;
  request.set_client_version(version);
  return accounts_->Hello(NewCall().get(), request, &hello);
}

grpc::Status TestCaller::Signup(const std::string& username, const std::string& password,
                                const std::string& confirm) {
  v1::SignupRequest request;
  request.set_username(username);
  request.set_password(password);
  request.set_confirm_password(confirm);
  return accounts_->Signup(NewCall().get(), request, &signup);
}

grpc::Status TestCaller::Login(const v1::LoginRequest& request) {
  login.Clear();
  const grpc::Status status = accounts_->Login(NewCall().get(), request, &login);
  if (status.ok()) authorization = absl::StrCat("Bearer ", login.session_token());
  return status;
}

grpc::Status TestCaller::Login(const std::string& username, const std::string& password) {
  v1::LoginRequest request;
  request.set_username(username);
  request.set_password(password);
  return Login(request);
}

grpc::Status TestCaller::Resume(const std::string& token, const crypto::SigningKey& device,
                                const crypto::Digest256& server) {
  v1::ResumeRequest request;
  request.set_resume_token(token);
  request.set_client_nonce("0123456789abcdef");
  const auto raw = Base64UrlDecode(token);
  const auto id = crypto::Sha256(raw ? *raw : Bytes());
  const auto nonce = ByteReader(AsBytes(request.client_nonce())).Array<16>();
  request.set_device_signature(ToString(device.Sign(wire::ResumeStatement(server, id, nonce))));
  return Resume(request);
}

grpc::Status TestCaller::Resume(const v1::ResumeRequest& request) {
  v1::ResumeResponse response;
  login.Clear();
  const grpc::Status status = accounts_->Resume(NewCall().get(), request, &response);
  if (!status.ok()) return status;
  login = response.session();
  authorization = absl::StrCat("Bearer ", login.session_token());
  return status;
}

grpc::Status TestCaller::ChangePassword(const std::string& old_password,
                                        const std::string& new_password,
                                        const std::string& confirm) {
  v1::ChangePasswordRequest request;
  request.set_old_password(old_password);
  request.set_new_password(new_password);
  request.set_confirm_password(confirm);
  v1::ChangePasswordResponse response;
  return accounts_->ChangePassword(NewCall().get(), request, &response);
}

grpc::Status TestCaller::Logout() {
  v1::LogoutResponse response;
  return accounts_->Logout(NewCall().get(), {}, &response);
}

grpc::Status TestCaller::ListActive(uint32_t page_size, const std::string& page_token) {
  v1::ListActiveRequest request;
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  active.Clear();
  return directory_->ListActive(NewCall().get(), request, &active);
}

grpc::Status TestCaller::Raw(const std::string& method, const std::string& bytes) {
  grpc::GenericStub stub(channel_);
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  const auto context = NewCall();
  stub.UnaryCall(context.get(), method, {}, &request, &response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  return status;
}

bool WaitUntil(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

void ServerFixture::SetUpTestSuite() {
  QuietGrpc();
  ::signal(SIGPIPE, SIG_IGN);
}

void ServerFixture::StartServer() {
  options_.listen = *net::SocketAddress::Parse("127.0.0.1:0");
  options_.data_dir = directory_.path();
  auto server = Server::Start(options_, clock_, [](const absl::Status& status) {
    ADD_FAILURE() << "the store failed: " << status;
  });
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

TestCaller ServerFixture::NewCaller() const {
  return TestCaller(server_->address(), server_->identity().certificate.certificate);
}

}  // namespace p2p::server
