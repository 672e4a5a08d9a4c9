// A control-server in this process, over TLS on loopback, and callers with stubs of their own.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "control-server/server.h"
#include "p2p/v1/accounts.grpc.pb.h"
#include "p2p/v1/directory.grpc.pb.h"
#include "tests/fakes/shifted_clock.h"

namespace p2p::server {

// A directory of its own below the temporary directory, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One connection to a server, and what can be asked over it.
class TestCaller {
 public:
  TestCaller(const net::SocketAddress& server, const std::string& root_certificate);

  grpc::Status Hello(const std::string& version = "test");
  grpc::Status Signup(const std::string& username, const std::string& password,
                      const std::string& confirm);
  grpc::Status Login(const v1::LoginRequest& request);
  grpc::Status Login(const std::string& username, const std::string& password);
  // Renews with `token`, signed by `device` for the server whose key digest that is.
  grpc::Status Resume(const std::string& token, const crypto::SigningKey& device,
                      const crypto::Digest256& server);
  grpc::Status Resume(const v1::ResumeRequest& request);
  grpc::Status Logout();
  grpc::Status ChangePassword(const std::string& old_password, const std::string& new_password,
                              const std::string& confirm);
  grpc::Status ListActive(uint32_t page_size = 0, const std::string& page_token = "");
  // Any method with any bytes.
  grpc::Status Raw(const std::string& method, const std::string& bytes);

  // Sent as `authorization` with every call unless empty. Login sets it.
  std::string authorization;
  v1::HelloResponse hello;
  v1::SignupResponse signup;
  v1::LoginResponse login;
  v1::ListActiveResponse active;
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  std::unique_ptr<grpc::ClientContext> NewCall() const;

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AccountService::Stub> accounts_;
  std::unique_ptr<v1::DirectoryService::Stub> directory_;
};

// Polls until `condition` holds; false after 15 s.
bool WaitUntil(const std::function<bool()>& condition);

class ServerFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  void StartServer();
  void StopServer() { server_.reset(); }
  TestCaller NewCaller() const;

  // Change before StartServer.
  ServerOptions options_;
  TemporaryDirectory directory_;
  ShiftedClock clock_;
  std::unique_ptr<Server> server_;
};

}  // namespace p2p::server
