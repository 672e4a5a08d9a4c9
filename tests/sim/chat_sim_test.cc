// Conversations that survive: the stream cut after every byte, and programs that die between
// receiving, journalling and confirming. Whatever happens, everything that was promised arrives, in
// order, once. A failure names the seed that repeats it.
//
// P2P_CHAT_SEEDS=FIRST:LAST runs those seeds, P2P_CHAT_LONG=1 cuts after every byte.
#include <gmock/gmock.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/log.h"
#include "tests/sim/chat_world.h"

namespace p2p::sim {
namespace {

using ::testing::IsEmpty;

std::pair<uint64_t, uint64_t> Seeds(uint64_t last) {
  uint64_t first = 1;
  if (const char* text = std::getenv("P2P_CHAT_SEEDS"); text != nullptr) {
    const std::vector<std::string> ends = absl::StrSplit(text, ':');
    EXPECT_TRUE(ends.size() == 2 && absl::SimpleAtoi(ends[0], &first) &&
                absl::SimpleAtoi(ends[1], &last));
  }
  return {first, last};
}

// 200 frames each way, of which every one is a message or a receipt.
constexpr int kExchange = 100;

void SayAll(ChatWorld& world) {
  for (int i = 0; i < kExchange; ++i) {
    ASSERT_TRUE(world.alice().Say(absl::StrCat("a", i), world.now()));
    ASSERT_TRUE(world.bob().Say(absl::StrCat("b", i), world.now()));
  }
}

class ChatSimTest : public ::testing::Test {
 protected:
  ChatSimTest() { InitLog(LogFormat::kText, LogLevel::kError); }  // Disks fail on purpose.
};

TEST_F(ChatSimTest, TheStreamMayBeCutAfterAnyByte) {
  ChatWorld whole(1);
  SayAll(whole);
  ASSERT_TRUE(whole.Settle());
  ASSERT_THAT(whole.Check(), IsEmpty());
  const uint64_t bytes = whole.carried();
  ASSERT_GT(bytes, 5'000u);
  const uint64_t step = std::getenv("P2P_CHAT_LONG") != nullptr ? 1 : 29;
  for (uint64_t cut = 0; cut <= bytes; cut += step) {
    ChatWorld world(1);
    SayAll(world);
    world.Connect(true);
    while (world.up() && world.carried() < cut) {
      const uint64_t before = world.carried();
      world.Carry(world.bob(), std::min<uint64_t>(cut - world.carried(), 700));
      world.Carry(world.alice(), std::min<uint64_t>(cut - world.carried(), 700));
      if (world.carried() == before) world.Advance(50ms);
      if (world.alice().waiting() == 0 && world.bob().waiting() == 0) break;
    }
    world.Cut();
    ASSERT_TRUE(world.Settle()) << "cut after " << cut;
    ASSERT_THAT(world.Check(), IsEmpty()) << "cut after " << cut;
  }
}

// One random story with so many messages.
class Story {
 public:
  Story(uint64_t seed, int messages) : world_(seed), left_(messages) {}
  std::vector<std::string> Run() {
    while (left_ > 0) Step();
    if (!world_.Settle()) return {"it never became quiet"};
    return world_.Check();
  }

 private:
  void Step() {
    Random& random = world_.random();
    ChatSide& side = random.Below(2) == 0 ? world_.alice() : world_.bob();
    const uint64_t what = random.Below(100);
    if (side.down() || (!world_.up() && what < 30)) return world_.Connect(random.Below(2) == 0);
    if (what < 30) return Say(side);
    if (what < 80) return world_.Carry(side, 1 + random.Below(random.Below(4) == 0 ? 2000 : 60));
    if (what < 90) return (void)side.MarkOneShown();
    if (what < 94) return world_.Advance(Duration(1ms) * static_cast<int64_t>(random.Below(3000)));
    if (what < 96) return world_.Cut();
    if (what < 98) return side.CrashAtDiskUse(static_cast<int>(random.Below(4)));
    if (what == 98) {
      side.Kill();
    } else {
      side.Crash(random.Below(50));
    }
    world_.Cut();
  }
  void Say(ChatSide& side) {
    --left_;
    (void)side.Say(absl::StrCat("line ", left_, std::string(world_.random().Below(40), 'x')),
                   world_.now());
  }

  ChatWorld world_;
  int left_;
};

TEST_F(ChatSimTest, NothingThatWasPromisedIsLostDoubledOrOutOfOrder) {
  const auto [first, last] = Seeds(300);
  for (uint64_t seed = first; seed <= last; ++seed) {
    ASSERT_THAT(Story(seed, 200).Run(), IsEmpty()) << "seed " << seed;
  }
}

TEST_F(ChatSimTest, LongConversationsToo) {
  const bool thorough = std::getenv("P2P_CHAT_LONG") != nullptr;
  const uint64_t last = thorough ? 20 : 1;
  const int messages = thorough ? 10'000 : 2'000;
  for (uint64_t seed = 1; seed <= last; ++seed) {
    ASSERT_THAT(Story(seed * 7919, messages).Run(), IsEmpty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace p2p::sim
