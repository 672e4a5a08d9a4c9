// proto/RELAY_DATAGRAM.md says what the headers say.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/config/timing.h"
#include "common/reliable/rtt_estimator.h"
#include "common/wire/datagram_limits.h"
#include "common/wire/frame.h"

namespace p2p::wire {
namespace {

std::string Page() {
  std::ifstream in(P2P_SOURCE_DIR "/proto/RELAY_DATAGRAM.md");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Rows `| a | b | …` of the table that follows `heading`, without its two head lines.
std::vector<std::vector<std::string>> Table(const std::string& page, const std::string& heading) {
  std::vector<std::vector<std::string>> rows;
  const size_t at = page.find(heading);
  if (at == std::string::npos) return rows;
  for (absl::string_view line : absl::StrSplit(page.substr(at), '\n')) {
    if (!absl::ConsumePrefix(&line, "|")) {
      if (!rows.empty()) break;
      continue;
    }
    std::vector<std::string> cells;
    for (absl::string_view cell : absl::StrSplit(line, '|')) {
      cells.emplace_back(absl::StripAsciiWhitespace(cell));
    }
    rows.push_back(std::move(cells));
  }
  if (rows.size() >= 2) rows.erase(rows.begin(), rows.begin() + 2);
  return rows;
}

uint64_t Ms(Duration d) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

TEST(RelayPageTest, NumbersAreThoseOfTheHeaders) {
  const config::Timing timing;
  const std::map<std::string, uint64_t> expected = {
      {"kDatagramVersion", kDatagramVersion},
      {"kMaxDatagram", kMaxDatagram},
      {"kDatagramHeaderSize", kDatagramHeaderSize},
      {"kSealTagSize", kSealTagSize},
      {"kMaxFrameBytes", kMaxFrameBytes},
      {"kFrameHeaderSize", kFrameHeaderSize},
      {"kFragmentOverhead", kFragmentOverhead},
      {"kFragmentBytes", kFragmentBytes},
      {"kMaxFragments", kMaxFragments},
      {"kMaxBroadcastText", kMaxBroadcastText},
      {"kMaxSignedObject", kMaxSignedObject},
      {"kMaxBroadcastPayload", kMaxBroadcastPayload},
      {"kMaxPartials", kMaxPartials},
      {"kReplayWindowPackets", kReplayWindowPackets},
      {"kRelayReplayWindowPackets", kRelayReplayWindowPackets},
      {"kEpochLife", Ms(kEpochLife)},
      {"kEpochPackets", kEpochPackets},
      {"kOldEpochLife", Ms(kOldEpochLife)},
      {"kRegisterSize", kRegisterSize},
      {"kChallengeSize", kChallengeSize},
      {"kRegisteredSize", kRegisteredSize},
      {"kMaxRegisterHave", kMaxRegisterHave},
      {"kMaxSyncHave", kMaxSyncHave},
      {"kFlatTries", reliable::RttEstimator::kFlatTries},
      {"pto_initial", Ms(timing.pto_initial)},
      {"pto_min", Ms(timing.pto_min)},
      {"pto_max", Ms(timing.pto_max)},
      {"relay_ping", Ms(timing.relay_ping)},
      {"cookie_rotation", Ms(timing.cookie_rotation)},
      {"partial_life", Ms(timing.partial_life)},
  };
  std::map<std::string, uint64_t> found;
  for (const auto& row : Table(Page(), "## Numbers")) {
    ASSERT_GE(row.size(), 3u);
    uint64_t value = 0;
    ASSERT_TRUE(absl::SimpleAtoi(absl::StripSuffix(row[1], " ms"), &value)) << row[0];
    found[row[0]] = value;
  }
  EXPECT_EQ(found, expected);
}

TEST(RelayPageTest, FrameTypesAreThoseOfTheHeader) {
  const std::map<std::string, FrameType> expected = {
      {"PAD", FrameType::kPad},
      {"BFRAG", FrameType::kFragment},
      {"ACK", FrameType::kAck},
      {"DONE", FrameType::kDone},
      {"PING", FrameType::kPing},
      {"PONG", FrameType::kPong},
      {"PATH_CHALLENGE", FrameType::kPathChallenge},
      {"PATH_RESPONSE", FrameType::kPathResponse},
      {"SYNC", FrameType::kSync},
      {"ACKWINDOW", FrameType::kAckWindow},
      {"CLOSE", FrameType::kClose},
  };
  const auto rows = Table(Page(), "## DATA");
  EXPECT_EQ(rows.size(), expected.size());
  for (const auto& row : rows) {
    ASSERT_TRUE(expected.contains(row[1])) << row[1];
    EXPECT_EQ(row[0], std::to_string(static_cast<int>(expected.at(row[1])))) << row[1];
  }
}

}  // namespace
}  // namespace p2p::wire
