#include "peer-client/oneshot/socket_server.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/net/fd.h"
#include "peer-client/oneshot/local_socket.h"

namespace p2p::client::oneshot {
namespace {

class SocketServerTest : public ::testing::Test {
 protected:
  SocketServerTest() {
    EXPECT_NE(::mkdtemp(directory_), nullptr);
    auto server = SocketServer::Start(loop_, directory_,
                                      {.on_command =
                                           [this](Command command, uint64_t caller) {
                                             commands_.emplace_back(std::move(command), caller);
                                           },
                                       .greeting =
                                           [this] {
                                             if (on_greeting_) on_greeting_();
                                             return std::string("hello\n");
                                           }});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~SocketServerTest() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  // The socket's only file in the directory.
  std::string SocketPath() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.is_socket()) return entry.path();
    }
    return "";
  }
  net::UniqueFd Connect() {
    net::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = SocketPath();
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    Run();
    return fd;
  }
  void Write(const net::UniqueFd& fd, const std::string& text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    Run();
  }
  // What has arrived; "<end>" when the other side closed and nothing is left.
  std::string Read(const net::UniqueFd& fd) {
    std::string text(4096, '\0');
    const ssize_t n = ::recv(fd.get(), text.data(), text.size(), 0);
    if (n == 0) return "<end>";
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }
  void Run() {
    loop_.restart();
    loop_.poll();
  }

  char directory_[32] = "/tmp/p2p-socket-XXXXXX";
  asio::io_context loop_;
  std::vector<std::pair<Command, uint64_t>> commands_;
  std::function<void()> on_greeting_;
  std::unique_ptr<SocketServer> server_;
};

TEST_F(SocketServerTest, OnlyItsOwnerMayOpenIt) {
  struct stat about {};
  ASSERT_EQ(::stat(SocketPath().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(SocketServerTest, GreetsTakesCommandsAndAnswersTheOneWhoAsked) {
  const net::UniqueFd first = Connect();
  const net::UniqueFd second = Connect();
  EXPECT_EQ(Read(first), "hello\n");
  EXPECT_EQ(Read(second), "hello\n");
  Write(first, "{\"cmd\":\"li");
  EXPECT_TRUE(commands_.empty());
  Write(first, "st\"}\n\n{\"cmd\":\"nonsense\"}\n");
  ASSERT_EQ(commands_.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<cmd::List>(commands_[0].first));
  EXPECT_TRUE(std::holds_alternative<cmd::Bad>(commands_[1].first));
  EXPECT_NE(commands_[0].second, 0u);
  server_->Send(commands_[0].second, "answer\n");
  server_->Send(commands_[0].second + 100, "for nobody\n");
  server_->SendAll("news\n");
  Run();
  EXPECT_EQ(Read(first), "answer\nnews\n");
  EXPECT_EQ(Read(second), "news\n");
}

TEST_F(SocketServerTest, QuitClosesTheConnectionOnly) {
  const net::UniqueFd first = Connect();
  const net::UniqueFd second = Connect();
  Read(first);
  Read(second);
  Write(first, "{\"cmd\":\"quit\"}\n{\"cmd\":\"list\"}\n");
  EXPECT_EQ(Read(first), "<end>");
  EXPECT_TRUE(commands_.empty());
  server_->SendAll("still here\n");
  Run();
  EXPECT_EQ(Read(second), "still here\n");
}

TEST_F(SocketServerTest, TheSeventeenthIsTurnedAwayUntilAPlaceIsFree) {
  std::vector<net::UniqueFd> open;
  for (size_t i = 0; i < SocketServer::kMaxConnections; ++i) open.push_back(Connect());
  const net::UniqueFd late = Connect();
  EXPECT_EQ(Read(late), "<end>");
  EXPECT_EQ(server_->refused(), 1u);
  open.pop_back();
  Run();
  EXPECT_EQ(Read(Connect()), "hello\n");
}

TEST_F(SocketServerTest, OneThatDoesNotReadIsCutAndTheOthersGoOn) {
  const net::UniqueFd lazy = Connect();
  const net::UniqueFd good = Connect();
  Read(good);
  // More than the kernel's buffers hold, and then more than may wait.
  const std::string line(100'000, 'x');
  for (int i = 0; i < 40 && server_->cut() == 0; ++i) {
    server_->Send(1, line + "\n");
    Run();
  }
  EXPECT_EQ(server_->cut(), 1u);
  server_->SendAll("news\n");
  Run();
  EXPECT_EQ(Read(good), "news\n");
}

// Two come at once, and the first is the last one served: the second has been accepted already when
// the server ends.
TEST_F(SocketServerTest, EndsWhileSomebodyComes) {
  std::vector<net::UniqueFd> both;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = SocketPath();
  std::copy(path.begin(), path.end(), address.sun_path);
  for (int i = 0; i < 2; ++i) {
    both.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_EQ(::connect(both.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
              0);
  }
  on_greeting_ = [this] { asio::post(loop_, [this] { server_.reset(); }); };
  Run();
  EXPECT_EQ(server_, nullptr);
  EXPECT_EQ(Read(both.front()), "hello\n");
  EXPECT_EQ(Read(both.back()), "<end>");
}

TEST_F(SocketServerTest, ALineWithoutEndIsNotCollectedForEver) {
  const net::UniqueFd fd = Connect();
  Read(fd);
  const std::string piece(60'000, 'y');
  std::string seen;
  for (int i = 0; i < 100 && seen != "<end>"; ++i) {
    ::send(fd.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    Run();
    seen = Read(fd);
  }
  EXPECT_EQ(seen, "<end>");
}

}  // namespace
}  // namespace p2p::client::oneshot
