#include "peer-client/cli/output_queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/executor_work_guard.hpp>

namespace p2p::client {
namespace {

class OutputQueueTest : public ::testing::Test {
 protected:
  OutputQueueTest() {
    ::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_ = net::UniqueFd(ends[0]);
    writer_ = net::UniqueFd(ends[1]);
  }
  // What the pipe holds now.
  std::string Read() {
    std::string text(1 << 16, '\0');
    const ssize_t n = ::read(reader_.get(), text.data(), text.size());
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }
  static bool Blocks(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

  net::UniqueFd reader_, writer_;
  asio::io_context loop_;
  const asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
};

TEST_F(OutputQueueTest, WhatAReaderTakesIsWrittenAtOnce) {
  OutputQueue queue(writer_.get());
  queue.Write("one\n");
  queue.Write("two\n");
  EXPECT_TRUE(queue.idle());
  EXPECT_EQ(queue.written(), 8u);
  EXPECT_EQ(Read(), "one\ntwo\n");
}

TEST_F(OutputQueueTest, AReaderThatStandsStillStopsNothingAndLaterGetsAll) {
  OutputQueue queue(writer_.get());
  int changes = 0;
  queue.Start(loop_, [&] { ++changes; });
  std::string sent;
  while (sent.size() < 500'000) {
    const std::string line(1000, static_cast<char>('a' + sent.size() / 1000 % 26));
    queue.Write(line);
    sent += line;
  }
  EXPECT_TRUE(queue.ok());
  EXPECT_FALSE(queue.idle());
  EXPECT_LT(queue.written(), sent.size());
  EXPECT_EQ(queue.accepted(), sent.size());
  EXPECT_TRUE(Blocks(writer_.get()));  // Others who write there are not disturbed.
  std::string got = Read();
  while (got.size() < sent.size()) {
    loop_.run_one();
    loop_.poll();
    got += Read();
  }
  EXPECT_EQ(got, sent);
  EXPECT_GT(changes, 0);
  EXPECT_TRUE(queue.idle());
  queue.Stop();
}

TEST_F(OutputQueueTest, AReaderThatIsGoneIsToldOnceAndTheRestIsDropped) {
  OutputQueue queue(writer_.get());
  int changes = 0;
  queue.Start(loop_, [&] { ++changes; });
  reader_.Reset();
  queue.Write("for nobody\n");
  EXPECT_EQ(queue.status().message(), "nobody reads the output any more");
  EXPECT_EQ(changes, 0);  // Never from inside Write.
  queue.Write("nor this\n");
  loop_.poll();
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(queue.written(), 0u);
  EXPECT_FALSE(queue.idle());
  queue.Stop();
}

TEST_F(OutputQueueTest, AReaderThatGoesWhileItIsWaitedForIsNoticed) {
  OutputQueue queue(writer_.get());
  int changes = 0;
  queue.Start(loop_, [&] { ++changes; });
  queue.Write(std::string(200'000, 'x'));
  EXPECT_TRUE(queue.ok());
  reader_.Reset();
  while (changes == 0) loop_.run_one();
  EXPECT_FALSE(queue.ok());
  queue.Stop();
}

TEST_F(OutputQueueTest, AFullDiskIsAFailure) {
  const net::UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  OutputQueue queue(full.get());
  queue.Write("lost\n");
  EXPECT_EQ(queue.status().message(), "the output cannot be written: No space left on device");
}

TEST_F(OutputQueueTest, MoreThanABoundIsNotKeptForAReaderThatStandsStill) {
  OutputQueue queue(writer_.get(), 1ms);
  int changes = 0;
  queue.Start(loop_, [&] { ++changes; });
  for (int i = 0; i < 100 && queue.ok(); ++i) queue.Write(std::string(100'000, 'x'));
  EXPECT_FALSE(queue.ok());
  EXPECT_LE(queue.accepted() - queue.written(), OutputQueue::kMaxWaiting + 100'000);
  EXPECT_EQ(queue.status().message().substr(0, 22), "the output is not read");
  loop_.poll();
  EXPECT_EQ(changes, 1);
  queue.Stop();
}

TEST_F(OutputQueueTest, ATerminalThatWasStoppedHoldsUpNothing) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const net::UniqueFd screen(master), terminal(slave);
  ASSERT_EQ(::tcflow(terminal.get(), TCOOFF), 0);  // As Ctrl-S does.
  OutputQueue queue(terminal.get());
  int changes = 0;
  queue.Start(loop_, [&] { ++changes; });
  queue.Write("later");
  EXPECT_FALSE(queue.idle());
  EXPECT_TRUE(Blocks(terminal.get()));
  ASSERT_EQ(::tcflow(terminal.get(), TCOON), 0);
  while (changes == 0) loop_.run_one();
  EXPECT_TRUE(queue.idle());
  std::array<char, 16> got{};
  ASSERT_EQ(::read(screen.get(), got.data(), got.size()), 5);
  EXPECT_EQ(std::string(got.data(), 5), "later");
  queue.Stop();
}

TEST_F(OutputQueueTest, WhatCannotBeOpenedAnewIsWrittenWithoutBlockingToo) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const net::UniqueFd reader(ends[0]), writer(ends[1]);
  OutputQueue queue(writer.get());
  for (int i = 0; i < 500; ++i) queue.Write(std::string(1000, 'x'));
  EXPECT_TRUE(queue.ok());
  EXPECT_FALSE(queue.idle());
  EXPECT_TRUE(Blocks(writer.get()));
}

}  // namespace
}  // namespace p2p::client
