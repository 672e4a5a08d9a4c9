#include "control-server/admin/operator_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "CLI/CLI.hpp"
#include "common/base/check.h"
#include "common/rpc/quiet_grpc.h"
#include "control-server/admin/admin_channel.h"
#include "control-server/store/data_directory.h"

namespace p2p::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The commands, on a directory of their own.
class OperatorCommandsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { rpc::QuietGrpc(); }
  OperatorCommandsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "operator-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
  }
  ~OperatorCommandsTest() override { std::filesystem::remove_all(root_); }

  absl::StatusOr<std::string> Run(const std::string& words) {
    CLI::App app;
    OperatorLine line;
    const OperatorCommands commands = AddOperatorCommands(app, line);
    app.parse(words);
    std::unique_ptr<AdminChannel> channel;
    return RunOperatorCommand(
        commands, line, [&]() -> absl::StatusOr<v1::AdminService::StubInterface*> {
          P2P_ASSIGN_OR_RETURN(channel,
                               AdminChannel::Open(data() + "/admin.sock", data(), timing_));
          return &channel->stub();
        });
  }
  std::string File(const std::string& name, const std::string& content) {
    std::ofstream(root_ + "/" + name) << content;
    return root_ + "/" + name;
  }
  std::string data() const { return root_ + "/data"; }
  std::string root_;
  const config::Timing timing_;
};

TEST_F(OperatorCommandsTest, AddListExportImport) {
  const std::string password = File("password", "correct horse\r\nsecond line\n");
  EXPECT_TRUE(Run("user add alice --admin --password-file " + password).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Run("user add ALICE --password-file " + password).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Run("user add server --password-file " + password).status()));
  EXPECT_THAT(*Run("user list"), AllOf(HasSubstr("alice"), HasSubstr("admin")));
  EXPECT_THAT(*Run("user list -o json"), HasSubstr("\"username\": \"alice\""));
  EXPECT_THAT(*Run("user export"), HasSubstr("\"alice\",\"$argon2id$"));
  EXPECT_EQ(*Run("user export " + root_ + "/out.csv"), "");
  EXPECT_EQ(*Run("user import " + root_ + "/out.csv"), "0 created, 1 unchanged\n");
  EXPECT_EQ(*Run("user import -o json " + File("more.csv", "username,password\nbob,12345678\n")),
            "{\"created\":1,\"unchanged\":0}\n");
}

TEST_F(OperatorCommandsTest, PasswordFileEndsAtItsFirstLine) {
  ASSERT_TRUE(Run("user add alice --password-file " + File("p", "correct horse\r\nmore\n")).ok());
  EXPECT_EQ(*Run("user import " + File("same.csv", "username,password\nalice,correct horse\n")),
            "0 created, 1 unchanged\n");
}

TEST_F(OperatorCommandsTest, ARunningServerIsNamedAndNothingIsTouched) {
  const auto server = DataDirectory::Open(data());
  ASSERT_TRUE(server.ok());
  const auto result = Run("user list");
  EXPECT_TRUE(absl::IsUnavailable(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("server is running"));
}

TEST_F(OperatorCommandsTest, AccountsOfAStoppedServer) {
  const std::string password = " --password-file " + File("p", "password-1\n");
  ASSERT_TRUE(Run("user add alice" + password).ok());
  EXPECT_EQ(*Run("user disable alice"), "disabled alice\n");
  EXPECT_THAT(*Run("user list"), HasSubstr("disabled"));
  EXPECT_EQ(*Run("user disable alice --enable -o json"),
            "{\"enabled\":\"alice\",\"admin\":false,\"disabled\":false}\n");
  const std::string before = *Run("user export");
  EXPECT_EQ(*Run("user passwd alice" + password), "changed alice\n");
  EXPECT_NE(*Run("user export"), before);
  EXPECT_EQ(*Run("session list -o json"), "[]\n");
  EXPECT_EQ(*Run("session kick alice"), "ended 0 of alice\n");
  EXPECT_EQ(*Run("penalty list"), "");
  EXPECT_TRUE(absl::IsNotFound(Run("penalty lift alice").status()));
  EXPECT_EQ(*Run("broadcast list -o json"), "[]\n");
  EXPECT_TRUE(absl::IsInvalidArgument(Run("broadcast status 12").status()));
  EXPECT_TRUE(absl::IsNotFound(Run("broadcast status " + std::string(32, '0')).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Run("broadcast revoke 12").status()));
  EXPECT_TRUE(absl::IsNotFound(Run("broadcast revoke " + std::string(32, '0')).status()));
  EXPECT_EQ(*Run("user delete alice"), "deleted alice\n");
  for (const std::string& command :
       {"user passwd nobody1" + password, std::string("user disable nobody1"),
        std::string("user delete nobody1"), std::string("session kick nobody1")}) {
    const auto result = Run(command);
    EXPECT_TRUE(absl::IsNotFound(result.status())) << command;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("there is no user nobody1"));
  }
}

}  // namespace
}  // namespace p2p::server
