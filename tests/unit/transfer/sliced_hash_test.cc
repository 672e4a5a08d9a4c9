#include "peer-client/transfer/sliced_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <asio/post.hpp>

namespace p2p::client {
namespace {

// Whatever else the loop has to do has its turn after every slice.
TEST(SlicedHashTest, TheLoopGoesOnBetweenSlices) {
  constexpr uint64_t kLength = (uint64_t{64} << 20) + 5;
  asio::io_context io;
  size_t slices = 0;
  size_t largest = 0;
  size_t in_a_row = 0;
  size_t most_in_a_row = 0;
  size_t turns = 0;
  bool done = false;
  crypto::Sha256Stream expected;
  auto hash = SlicedHash::Start(
      io,
      [&](uint64_t offset, std::span<uint8_t> out) -> absl::StatusOr<size_t> {
        ++slices;
        most_in_a_row = std::max(most_in_a_row, ++in_a_row);
        largest = std::max(largest, out.size());
        std::fill(out.begin(), out.end(), static_cast<uint8_t>(offset >> 20));
        expected.Update(out);
        return out.size();
      },
      kLength,
      [&](absl::StatusOr<crypto::Sha256Stream> got) {
        done = true;
        ASSERT_TRUE(got.ok()) << got.status();
        EXPECT_EQ(got->Digest(), expected.Digest());
      });
  EXPECT_EQ(slices, 0u) << "not from within Start";
  // Somebody else's work: each piece asks for the next one.
  std::function<void()> other = [&] {
    ++turns;
    in_a_row = 0;
    if (!done) asio::post(io, other);
  };
  asio::post(io, other);
  io.run();
  EXPECT_TRUE(done);
  EXPECT_EQ(slices, 65u);
  EXPECT_LE(largest, size_t{1} << 20);
  EXPECT_EQ(most_in_a_row, 1u);
  EXPECT_GE(turns, slices);
}

TEST(SlicedHashTest, WhoLetsGoHearsNothing) {
  asio::io_context io;
  size_t slices = 0;
  auto hash = SlicedHash::Start(
      io,
      [&](uint64_t, std::span<uint8_t> out) -> absl::StatusOr<size_t> {
        ++slices;
        return out.size();
      },
      uint64_t{1} << 40, [](const auto&) { FAIL() << "called"; });
  io.poll_one();
  hash.reset();
  io.run();
  EXPECT_LE(slices, 1u);
}

}  // namespace
}  // namespace p2p::client
