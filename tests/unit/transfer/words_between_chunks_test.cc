// A conversation that carries a file and words at once, byte by byte as its transport would.
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/crypto/os_random.h"
#include "peer-client/chat/chat_session.h"
#include "peer-client/transfer/transfer_desk.h"
#include "tests/unit/chat/link_samples.h"
#include "tests/unit/transfer/scratch.h"

namespace p2p::client {
namespace {

constexpr size_t kFileSize = 32 << 20;
constexpr int kWords = 16;

struct Talker {
  Talker(asio::io_context& io, const wire::IntroducedParty& other)
      : peer{other.name, other.uid, other.device_key} {
    TransferDesk::Hooks hooks;
    hooks.show = [this](const Output& output) {
      if (const auto* offer = std::get_if<out::FileOffer>(&output)) offered = offer->id;
      if (const auto* transfer = std::get_if<out::Transfer>(&output)) state = transfer->state;
    };
    hooks.wake = [](const std::string&) {};
    auto created =
        TransferDesk::Create(io, clock, random, scratch / "state", scratch / "got", hooks);
    EXPECT_TRUE(created.ok()) << created.status();
    desk = *std::move(created);
  }
  void Take(std::vector<SessionEvent> events, MonoTime now) {
    for (const SessionEvent& event : events) {
      if (std::holds_alternative<SessionProven>(event) && controller) session->Select(now);
      if (std::holds_alternative<SessionOpen>(event)) desk->OnOpen(peer);
      if (const auto* message = std::get_if<SessionMessage>(&event)) {
        ++words;
        conversation.ConfirmJournalled(message->message.seq);
      }
      if (!std::holds_alternative<SessionProven>(event)) continue;
      std::vector<SessionEvent> more;
      session->Continue(now, more);
      Take(std::move(more), now);
    }
  }

  const FilePeer peer;
  Scratch scratch;
  ManualClock clock;
  crypto::OsRandom random;
  Conversation conversation;
  std::unique_ptr<TransferDesk> desk;
  std::unique_ptr<ChatSession> session;
  bool controller = false;
  int words = 0;
  std::string offered;
  std::string state;
};

class WordsBetweenChunksTest : public ::testing::Test {
 protected:
  WordsBetweenChunksTest() {
    alice_.controller = true;
    alice_.session = NewSession(alice_, LinkRole::kRequester, true);
    bob_.session = NewSession(bob_, LinkRole::kTarget, false);
  }
  std::unique_ptr<ChatSession> NewSession(Talker& side, LinkRole role, bool dialler) {
    return std::make_unique<ChatSession>(SessionSetup{.intro_id = intro_.id,
                                                      .role = role,
                                                      .dialler = dialler,
                                                      .controller = side.controller,
                                                      .link = link_.Clone(),
                                                      .exporter = Bytes(wire::kExporterSize, 0x77),
                                                      .files = side.desk->Lane(side.peer)},
                                         timing_, side.conversation, now_);
  }
  // One output of one side; how many bytes.
  size_t Carry(Talker& from, Talker& to) {
    const Bytes bytes = from.session->TakeOutput(now_);
    std::vector<SessionEvent> events;
    if (!bytes.empty()) to.session->OnBytes(bytes, now_, events);
    to.Take(std::move(events), now_);
    return bytes.size();
  }
  bool Step() {
    io_.restart();
    const bool worked = io_.poll() > 0;
    const size_t there = Carry(alice_, bob_);
    const size_t back = Carry(bob_, alice_);
    return worked || there + back > 0;
  }

  config::Timing timing_;
  MonoTime now_{1000s};
  wire::Introduction intro_ = SampleIntroduction();
  LinkSecret link_ = DeriveLink(intro_);
  asio::io_context io_;
  Talker alice_{io_, intro_.target};
  Talker bob_{io_, intro_.requester};
};

// A word leaves with the next bytes, whatever is on its way: no more than one turn of content (64
// KiB, and what a frame goes over it) comes before it, of a file of any size.
TEST_F(WordsBetweenChunksTest, AWordWaitsForNoMoreThanOneTurnOfContent) {
  const std::string path = alice_.scratch / "large.bin";
  std::ofstream(path) << std::string(kFileSize, 'x');
  while (Step()) continue;
  ASSERT_TRUE(alice_.session->open() && bob_.session->open());
  ASSERT_TRUE(alice_.desk->Offer("bob", path).ok());
  while (Step()) continue;
  ASSERT_TRUE(bob_.desk->Accept(bob_.offered).ok());
  size_t most = 0;
  size_t all = 0;
  for (int word = 1; word <= kWords; ++word) {
    for (int i = 0; i < 10; ++i) Step();
    ASSERT_EQ(bob_.state, "running");
    MessageId id;
    id.bytes[0] = static_cast<uint8_t>(word);
    alice_.conversation.Queue(
        alice_.conversation.Compose(id, absl::StrCat("word ", word), WallFromMs(1000)));
    size_t before_it = 0;
    while (bob_.words < word) {
      const size_t carried = Carry(alice_, bob_);
      before_it += carried;
      if (carried > 0 || bob_.words == word) continue;
      ASSERT_TRUE(Step());
    }
    most = std::max(most, before_it);
    all += before_it;
  }
  EXPECT_LE(most, 2 * wire::kFileChunkSize + 1024);
  EXPECT_LE(all, kFileSize / 8) << "a bounded share of the file";
  while (Step()) continue;
  EXPECT_EQ(bob_.state, "done");
}

}  // namespace
}  // namespace p2p::client
