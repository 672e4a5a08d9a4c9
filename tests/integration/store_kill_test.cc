// A process that commits accounts is killed at a random moment, again and again: every account that
// it said was stored is there afterwards, and the database is whole.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/random.h"
#include "control-server/store/sqlite_store.h"

extern char** environ;

namespace p2p::server {
namespace {

class Child {
 public:
  explicit Child(const std::string& database) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string program = P2P_COMMIT_ACCOUNTS;
    std::string argument = database;
    char* argv[] = {program.data(), argument.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Child() { ::close(out_); }

  // Reads at least until `bytes` have come; false at the end of the output.
  bool ReadMore(size_t bytes) {
    char buffer[4096];
    while (text_.size() < bytes) {
      const ssize_t n = ::read(out_, buffer, sizeof buffer);
      if (n <= 0) return false;
      text_.append(buffer, static_cast<size_t>(n));
    }
    return true;
  }
  // SIGKILL, then whatever it had said before. Returns its whole lines.
  std::vector<std::string> Kill() {
    ::kill(pid_, SIGKILL);
    while (ReadMore(text_.size() + 1)) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << status;
    std::vector<std::string> lines = absl::StrSplit(text_, '\n');
    lines.pop_back();
    return lines;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string text_;
};

TEST(StoreKillTest, WhatWasAcknowledgedIsThereAfterSigkill) {
  constexpr int kRounds = 50;
  std::string directory = (std::filesystem::temp_directory_path() / "kill-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string database = directory + "/server.db";
  SeededRandom random(9);
  size_t acknowledged = 0;
  for (int round = 0; round < kRounds; ++round) {
    Child child(database);
    ASSERT_TRUE(child.ReadMore(6)) << "it does not start";
    // At a random moment: after so many acknowledgements and a few microseconds more.
    child.ReadMore(random.Below(4000));
    std::this_thread::sleep_for(std::chrono::microseconds(random.Below(3000)));
    const auto lines = child.Kill();
    ASSERT_EQ(lines[0], "ready");
    const auto store = SqliteStore::Open(database);  // Checks the integrity too.
    ASSERT_TRUE(store.ok()) << "round " << round << ": " << store.status();
    for (size_t i = 1; i < lines.size(); ++i) {
      const auto id = UserId::FromHex(lines[i]);
      ASSERT_TRUE(id) << lines[i];
      ASSERT_TRUE((*store)->GetAccount(*id).ok()) << "lost in round " << round;
    }
    acknowledged += lines.size() - 1;
  }
  EXPECT_GT(acknowledged, size_t{kRounds});  // Else nothing was at stake.
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace p2p::server
