#include <gmock/gmock.h>

#include "peer-client/cli/line_splitter.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Collector {
  std::function<void(absl::string_view)> sink = [this](absl::string_view line) {
    lines.emplace_back(line);
  };
  std::vector<std::string> lines;
};

TEST(LineSplitterTest, LinesMayArriveInAnyPieces) {
  Collector got;
  LineSplitter splitter;
  for (const char* piece : {"on", "e\ntwo\r\n", "\nthr", "ee"}) splitter.Add(piece, got.sink);
  EXPECT_THAT(got.lines, ElementsAre("one", "two", ""));
  splitter.Finish(got.sink);
  EXPECT_THAT(got.lines, ElementsAre("one", "two", "", "three"));
}

TEST(LineSplitterTest, AnEndlessLineIsDroppedAndTheNextOneIsRead) {
  Collector got;
  LineSplitter splitter;
  const std::string chunk(64 * 1024, 'x');
  for (int i = 0; i < 40; ++i) splitter.Add(chunk, got.sink);
  splitter.Add("\nnext\n", got.sink);
  EXPECT_THAT(got.lines, ElementsAre("next"));
  EXPECT_EQ(splitter.too_long(), 1u);
}

TEST(LineSplitterTest, TheLongestBroadcastFitsFullyEscaped) {
  Collector got;
  LineSplitter splitter;
  const std::string line(60 * 1024 * 6 + 100, 'x');
  splitter.Add(line + "\n", got.sink);
  ASSERT_EQ(got.lines.size(), 1u);
  EXPECT_EQ(got.lines[0].size(), line.size());
}

}  // namespace
}  // namespace p2p::client
