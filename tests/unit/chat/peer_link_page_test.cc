// proto/PEER_LINK.md says what the sources say.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/config/duration.h"
#include "common/config/timing.h"
#include "common/wire/peer_link_limits.h"

namespace p2p {
namespace {

std::string ReadPage() {
  std::ifstream file(P2P_SOURCE_DIR "/proto/PEER_LINK.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The rows of "## 7. Numbers".
std::map<std::string, std::string> Numbers(const std::string& page) {
  std::map<std::string, std::string> out;
  bool inside = false;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (absl::ConsumePrefix(&line, "## ")) {
      inside = line == "7. Numbers";
      continue;
    }
    const std::vector<std::string> cells =
        absl::StrSplit(line, absl::ByAnyChar("| "), absl::SkipEmpty());
    if (!inside || cells.size() != 2 || cells[0] == "name" || cells[0] == "---") continue;
    out[cells[0]] = cells[1];
  }
  return out;
}

TEST(PeerLinkPageTest, NumbersAreThoseOfTheSources) {
  using namespace wire;  // NOLINT: the table below is the point.
  std::map<std::string, uint64_t> sources;
#define P2P_NUMBER(name) sources[#name] = static_cast<uint64_t>(name)
  P2P_NUMBER(kMaxIntroductionSize);
  P2P_NUMBER(kPeerLinkVersion);
  P2P_NUMBER(kMaxCandidates);
  P2P_NUMBER(kMinChatPort);
  P2P_NUMBER(kLinkSize);
  P2P_NUMBER(kKnockSize);
  P2P_NUMBER(kKnockMacSize);
  P2P_NUMBER(kKnockMemory);
  P2P_NUMBER(kMaxLiveLinks);
  P2P_NUMBER(kMaxConnectionsPerLink);
  P2P_NUMBER(kMaxUnprovenConnections);
  P2P_NUMBER(kMaxUnprovenPerSource);
  P2P_NUMBER(kExporterSize);
  P2P_NUMBER(kMaxFrameSize);
  P2P_NUMBER(kMaxHelloFrameSize);
  P2P_NUMBER(kMaxChatText);
  P2P_NUMBER(kMaxHangUpReason);
  P2P_NUMBER(kMaxQueuedMessages);
  P2P_NUMBER(kMaxQueuedBytes);
  P2P_NUMBER(kMessagesPerSecond);
  P2P_NUMBER(kMessageBurst);
  P2P_NUMBER(kFramesPerSecond);
  P2P_NUMBER(kFrameBurst);
  P2P_NUMBER(kSilentPings);
  P2P_NUMBER(kFileChunkSize);
  P2P_NUMBER(kFileWindow);
  P2P_NUMBER(kMaxFileName);
#undef P2P_NUMBER
  std::map<std::string, std::string> page = Numbers(ReadPage());
  for (const auto& [name, value] : sources) {
    EXPECT_EQ(page[name], absl::StrCat(value)) << name;
    page.erase(name);
  }
  const config::Timing timing;
  const std::map<std::string, Duration> times = {
      {"timing.knock", timing.knock},           {"timing.peer_handshake", timing.peer_handshake},
      {"timing.dial_total", timing.dial_total}, {"timing.select_wait", timing.select_wait},
      {"timing.peer_ping", timing.peer_ping},   {"timing.approval", timing.approval}};
  for (const auto& [name, value] : times) {
    const auto written = config::ParseDuration(page[name]);
    ASSERT_TRUE(written.ok()) << name << ": " << page[name];
    EXPECT_EQ(*written, value) << name;
    page.erase(name);
  }
  for (const auto& [name, value] : page) ADD_FAILURE() << name << " is on the page only";
}

TEST(PeerLinkPageTest, EveryLabelIsOnThePage) {
  const std::string page = ReadPage();
  for (const absl::string_view label :
       {wire::kIntroductionMagic, wire::kLinkInfo, wire::kKnockKeyInfo, wire::kKnockInfo,
        wire::kHelloInfo, wire::kPeerAlpn, wire::kExporterLabel}) {
    EXPECT_NE(page.find(std::string(label)), std::string::npos) << label;
  }
}

}  // namespace
}  // namespace p2p
