// The door of the operator: who gets in, and what may stand where the socket goes.
#include "control-server/admin/admin_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/rpc/quiet_grpc.h"
#include "control-server/admin/admin_channel.h"
#include "control-server/admin/admin_service.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {
namespace {

using ::testing::HasSubstr;

class AdminSocketTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { rpc::QuietGrpc(); }
  AdminSocketTest() {
    std::string name = (std::filesystem::temp_directory_path() / "socket-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    path_ = directory_ + "/admin.sock";
  }
  ~AdminSocketTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<AdminSocket> Open() {
    auto socket = AdminSocket::Open(path_, service_);
    EXPECT_TRUE(socket.ok()) << socket.status();
    return *std::move(socket);
  }
  // A call over the socket, as the commands make it.
  grpc::Status Ask() {
    const auto channel = AdminChannel::Open(path_, directory_ + "/data", timing_);
    if (!channel.ok()) {
      return {static_cast<grpc::StatusCode>(channel.status().code()),
              std::string(channel.status().message())};
    }
    v1::GetLimitsResponse limits;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return (*channel)->stub().GetLimits(&context, {}, &limits);
  }

  class Busy final : public LiveServer {
    std::optional<LiveLimits> Limits() override { return LiveLimits{}; }
  };
  std::string directory_;
  std::string path_;
  const config::Timing timing_;
  SystemClock clock_;
  SeededRandom random_{3};
  MemoryStore store_;
  DirectStore access_{store_};
  Busy live_;
  AdminService service_{
      {.store = access_, .live = live_, .clock = clock_, .random = random_, .timing = timing_}};
};

TEST_F(AdminSocketTest, IsPrivateAnswersItsOwnUserAndLeavesNothingBehind) {
  auto socket = Open();
  struct stat info {};
  ASSERT_EQ(::lstat(path_.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const grpc::Status answer = Ask();
  EXPECT_TRUE(answer.ok()) << answer.error_message();
  EXPECT_EQ(socket->counters().Get(AdminSocketCount::kAccepted), 1u);
  socket.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
  // Nobody listens any more: the same call is served by the (new, empty) data directory, where
  // nothing runs.
  EXPECT_EQ(Ask().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

// The mode alone would keep strangers out; this is what holds when somebody has loosened it.
TEST_F(AdminSocketTest, AnotherUserIsClosedWithoutAnAnswer) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  auto socket = Open();
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    // Nothing but system calls here: the parent has threads.
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ::_exit(3);
    char byte = 0;
    ::_exit(::recv(fd, &byte, 1, 0) == 0 ? 0 : 4);  // The end, and not the server's SETTINGS.
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(socket->counters().Get(AdminSocketCount::kRefused), 1u);
  EXPECT_EQ(socket->counters().Get(AdminSocketCount::kAccepted), 0u);
}

TEST_F(AdminSocketTest, AFileLeftBehindByADeadServerIsReplaced) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  {
    const net::UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  const auto socket = Open();
  EXPECT_TRUE(Ask().ok());
}

TEST_F(AdminSocketTest, WhatLivesOrIsNoSocketIsLeftAlone) {
  const auto first = Open();
  const auto second = AdminSocket::Open(path_, service_);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(Ask().ok());
  const std::string file = directory_ + "/file";
  std::ofstream(file) << "precious";
  EXPECT_TRUE(absl::IsAlreadyExists(AdminSocket::Open(file, service_).status()));
  EXPECT_EQ(std::filesystem::file_size(file), 8u);
}

TEST_F(AdminSocketTest, APathThatDoesNotFitIsAnErrorThatSaysSo) {
  const auto socket = AdminSocket::Open("/tmp/" + std::string(104, 'x'), service_);
  EXPECT_TRUE(absl::IsInvalidArgument(socket.status()));
  EXPECT_THAT(std::string(socket.status().message()), HasSubstr("107"));
}

}  // namespace
}  // namespace p2p::server
