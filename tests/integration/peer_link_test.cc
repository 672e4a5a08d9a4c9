// Two clients on real sockets: conversations from the introduction to the hang-up.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <csignal>

#include "absl/strings/match.h"
#include "tests/integration/peer_link_fixture.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Files cannot grow beyond it meanwhile, as on a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t most) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limited{.rlim_cur = most, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

class ConversationTest : public PeerLinkTest {
 protected:
  ConversationTest() : alice_(io_, "alice", timing_), bob_(io_, "bob", timing_) {}

  void Connect() {
    const Introduced introduced = Introduce(alice_, bob_);
    ASSERT_TRUE(Give(bob_, introduced).ok());
    ASSERT_TRUE(Give(alice_, introduced).ok());
    ASSERT_TRUE(
        RunUntil([&] { return alice_.manager->IsOpen("bob") && bob_.manager->IsOpen("alice"); }));
    ASSERT_TRUE(RunUntil([&] { return !alice_.opened.empty() && !bob_.opened.empty(); }));
  }
  // Bob has taken this message, and his user has not seen it.
  void SendUnseen(const std::string& text) {
    bob_.show = false;
    const size_t before = alice_.CountReceipts(ReceiptState::kDelivered);
    ASSERT_TRUE(alice_.manager->Send("bob", text).ok());
    ASSERT_TRUE(
        RunUntil([&] { return alice_.CountReceipts(ReceiptState::kDelivered) == before + 1; }));
    ASSERT_TRUE(RunUntil([&] { return !bob_.received.empty(); }));
    bob_.received.clear();
  }
  static size_t LinkFiles(const TestPeer& peer) {
    const std::filesystem::directory_iterator files(peer.directory.path() + "/state/links");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }
  // Bob's next start shows exactly that, and the one after it nothing.
  void ExpectReplayedOnce(const std::string& text, size_t files_left) {
    bob_.show = true;
    bob_.Start();
    ASSERT_TRUE(RunUntil([&] { return !bob_.received.empty(); }));
    EXPECT_THAT(bob_.Texts(), ElementsAre(text));
    EXPECT_TRUE(bob_.received[0].replayed);
    EXPECT_TRUE(RunUntil([&] { return LinkFiles(bob_) == files_left; }));
    bob_.Start();
    RunFor(200ms);
    EXPECT_THAT(bob_.Texts(), ElementsAre(text));
  }
  std::vector<std::string> Numbered(const std::string& prefix, int n) {
    std::vector<std::string> out;
    for (int i = 0; i < n; ++i) out.push_back(absl::StrCat(prefix, " ", i));
    return out;
  }

  TestPeer alice_;
  TestPeer bob_;
};

// One of the two accepts no connections: the other's way is enough.
TEST_F(ConversationTest, EitherSideAloneCanOpenIt) {
  for (const bool alice_listens : {false, true}) {
    Introduced introduced = Introduce(alice_, bob_);
    auto& hidden =
        alice_listens ? introduced.introduction.target : introduced.introduction.requester;
    hidden.chat_port = 0;
    Sign(introduced);
    ASSERT_TRUE(Give(bob_, introduced).ok());
    ASSERT_TRUE(Give(alice_, introduced).ok());
    ASSERT_TRUE(
        RunUntil([&] { return alice_.manager->IsOpen("bob") && bob_.manager->IsOpen("alice"); }));
    const auto path =
        (alice_listens ? bob_ : alice_).manager->Path(alice_listens ? "alice" : "bob");
    ASSERT_TRUE(path.ok());
    EXPECT_TRUE(path->open);
    EXPECT_THAT(path->path, StartsWith("dialled 127.0.0.1:"));
    ASSERT_TRUE(RunUntil([&] { return alice_.manager->Path("bob")->rtt.has_value(); }));
  }
}

TEST_F(ConversationTest, WhenNeitherCanReachTheOtherBothHearWhy) {
  Introduced introduced = Introduce(alice_, bob_);
  // Nobody listens at either.
  introduced.introduction.requester.chat_port = introduced.introduction.target.chat_port = 1024;
  Sign(introduced);
  ASSERT_TRUE(Give(bob_, introduced).ok());
  ASSERT_TRUE(Give(alice_, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return !alice_.dial_failed.empty() && !bob_.dial_failed.empty(); }));
  for (const TestPeer* peer : {&alice_, &bob_}) {
    EXPECT_THAT(peer->dial_failed[0].reasons, ElementsAre("127.0.0.1:1024: Connection refused"));
  }
  EXPECT_THAT(bob_.manager->Path("alice")->tried,
              ElementsAre("127.0.0.1:1024: Connection refused"));
  EXPECT_FALSE(bob_.manager->Path("alice")->open);
}

// Bob gave the conversation half a second: both hear that it is over, and why.
TEST_F(ConversationTest, ATimeThatWasGivenEndsItPolitelyOnBothSides) {
  Introduced introduced = Introduce(alice_, bob_);
  introduced.introduction.target.nonce = bob_.manager->MakeNonce(500ms);
  Sign(introduced);
  ASSERT_TRUE(Give(bob_, introduced).ok());
  ASSERT_TRUE(Give(alice_, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return !alice_.opened.empty() && !bob_.opened.empty(); }));
  ASSERT_TRUE(RunUntil([&] { return !alice_.closed.empty() && !bob_.closed.empty(); }));
  EXPECT_EQ(bob_.closed[0].reason, "the time agreed on is over");
  EXPECT_EQ(alice_.closed[0].reason, "the peer hung up: the time agreed on is over");
  EXPECT_TRUE(alice_.closed[0].for_good);
  EXPECT_THAT(alice_.manager->Peers(), IsEmpty());
  ASSERT_TRUE(RunUntil([&] { return bob_.manager->Peers().empty(); }));
  EXPECT_EQ(alice_.manager->Send("bob", "more").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ConversationTest, TextGoesBothWaysInOrderWithReceipts) {
  Connect();
  EXPECT_EQ(alice_.opened[0].peer, "bob");
  // Both dial; one of the connections is selected, and both sides know which.
  const std::string& path = alice_.opened[0].path;
  if (absl::StartsWith(path, "dialled")) {
    EXPECT_EQ(path, absl::StrCat("dialled 127.0.0.1:", bob_.port));
    EXPECT_THAT(bob_.opened[0].path, StartsWith("accepted from 127.0.0.1:"));
  } else {
    EXPECT_THAT(path, StartsWith("accepted from 127.0.0.1:"));
    EXPECT_EQ(bob_.opened[0].path, absl::StrCat("dialled 127.0.0.1:", alice_.port));
  }
  EXPECT_FALSE(alice_.opened[0].reopened);
  const auto from_alice = Numbered("to bob", 60);
  const auto from_bob = Numbered("to alice", 60);
  std::vector<MessageId> ids;
  for (int i = 0; i < 60; ++i) {
    ids.push_back(*alice_.manager->Send("bob", from_alice[static_cast<size_t>(i)]));
    ASSERT_TRUE(bob_.manager->Send("alice", from_bob[static_cast<size_t>(i)]).ok());
  }
  ASSERT_TRUE(RunUntil([&] {
    return alice_.CountReceipts(ReceiptState::kRead) == 60 &&
           bob_.CountReceipts(ReceiptState::kRead) == 60;
  }));
  EXPECT_EQ(bob_.Texts(), from_alice);
  EXPECT_EQ(alice_.Texts(), from_bob);
  EXPECT_EQ(bob_.received[7].id, ids[7]);
  EXPECT_FALSE(bob_.received[7].replayed);
  for (const ReceiptState state :
       {ReceiptState::kQueued, ReceiptState::kDelivered, ReceiptState::kRead}) {
    EXPECT_EQ(alice_.CountReceipts(state), 60u) << ReceiptStateName(state);
  }
}

TEST_F(ConversationTest, TheRequestersIntroductionMayComeFirst) {
  const Introduced introduced = Introduce(alice_, bob_);
  ASSERT_TRUE(Give(alice_, introduced).ok());
  RunFor(300ms);
  EXPECT_FALSE(alice_.manager->IsOpen("bob"));
  ASSERT_TRUE(Give(bob_, introduced).ok());
  EXPECT_TRUE(RunUntil([&] { return alice_.manager->IsOpen("bob"); }));
  EXPECT_THAT(alice_.dial_failed, IsEmpty());
}

TEST_F(ConversationTest, ARepeatedIntroductionIsAcknowledgedAndChangesNothing) {
  const Introduced introduced = Introduce(alice_, bob_);
  ASSERT_TRUE(Give(bob_, introduced).ok());
  ASSERT_TRUE(Give(alice_, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }));
  EXPECT_TRUE(Give(alice_, introduced).ok());
  EXPECT_TRUE(Give(bob_, introduced).ok());
  EXPECT_THAT(alice_.manager->Peers(), ElementsAre("bob"));
  RunFor(100ms);
  EXPECT_TRUE(bob_.manager->IsOpen("alice"));
}

TEST_F(ConversationTest, ARestartBetweenTheApprovalAndItsIntroductionEndsNothing) {
  const Introduced introduced = Introduce(alice_, bob_);
  for (TestPeer* peer : {&alice_, &bob_}) {
    const uint16_t port = peer->port;
    peer->Start();
    ASSERT_EQ(peer->port, port);
    ASSERT_TRUE(Give(*peer, introduced).ok());
  }
  ASSERT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }));
  // Once only: after the end of the conversation the same introduction brings nothing back.
  ASSERT_TRUE(alice_.manager->HangUp("bob").ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.manager->Peers().empty() && LinkFiles(alice_) == 0; }));
  alice_.Start();
  EXPECT_EQ(Give(alice_, introduced).code(), absl::StatusCode::kFailedPrecondition);
}

// Between a dialler and a listener; can lose what it carries without telling the listener.
class Forwarder {
 public:
  Forwarder(asio::io_context& io, uint16_t to)
      : io_(io), to_(asio::ip::address_v4::loopback(), to), acceptor_(io, {to_.address(), 0}) {
    Accept();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  size_t carried() const { return pairs_.size(); }
  // The dialler's end of every connection is gone; the listener's stays, silent.
  void LoseDiallers() {
    for (const auto& pair : pairs_) {
      pair->lost = true;
      pair->near.close();
    }
  }

 private:
  using tcp = asio::ip::tcp;
  struct Pair {
    explicit Pair(asio::io_context& io) : near(io), far(io) {}
    tcp::socket near, far;
    std::array<uint8_t, 4096> up{}, down{};
    bool lost = false;
  };
  using PairPtr = std::shared_ptr<Pair>;

  void Accept() {
    const auto pair = std::make_shared<Pair>(io_);
    acceptor_.async_accept(pair->near, [this, pair](const asio::error_code& error) {
      if (error) return;
      asio::error_code refused;
      pair->far.connect(to_, refused);
      if (!refused) {
        pairs_.push_back(pair);
        Carry(pair, pair->near, pair->far, pair->up);
        Carry(pair, pair->far, pair->near, pair->down);
      }
      Accept();
    });
  }
  static void Carry(PairPtr pair, tcp::socket& from, tcp::socket& to,
                    std::array<uint8_t, 4096>& buffer) {
    from.async_read_some(asio::buffer(buffer),
                         [pair, &from, &to, &buffer](const asio::error_code& error, size_t n) {
                           asio::error_code failed;
                           if (error && !pair->lost)
                             to.shutdown(tcp::socket::shutdown_send, failed);
                           if (error || pair->lost) return;
                           asio::write(to, asio::buffer(buffer, n), failed);
                           Carry(pair, from, to, buffer);
                         });
  }

  asio::io_context& io_;
  const tcp::endpoint to_;
  tcp::acceptor acceptor_;
  std::vector<PairPtr> pairs_;
};

// Bob's path broke and came back, and only he has noticed: alice, who selects, still holds the dead
// connection, and would for up to a minute.
TEST_F(ConversationTest, APeerThatComesBackIsNotHeldUpByItsDeadConnection) {
  Forwarder between(io_, alice_.port);
  Introduced introduced = Introduce(alice_, bob_);
  introduced.introduction.requester.chat_port = between.port();
  introduced.introduction.target.chat_port = 0;  // Only bob dials.
  Sign(introduced);
  ASSERT_TRUE(Give(alice_, introduced).ok());
  ASSERT_TRUE(Give(bob_, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("alice"); }));
  RunFor(timing_.peer_handshake);  // Until then a second connection is one that came late.
  between.LoseDiallers();
  const MonoTime lost = clock_.Mono();
  ASSERT_TRUE(bob_.manager->Send("alice", "back again").ok());
  ASSERT_TRUE(RunUntil([&] { return !alice_.received.empty(); }));
  EXPECT_LT(clock_.Mono() - lost, 5s);
  EXPECT_THAT(alice_.Texts(), ElementsAre("back again"));
  EXPECT_TRUE(alice_.opened.back().reopened);
  EXPECT_EQ(between.carried(), 2u);
}

TEST_F(ConversationTest, NamesAreFoundWithoutRegardToCaseAndUnknownOnesAreRefused) {
  Connect();
  EXPECT_TRUE(alice_.manager->Send("BOB", "hello").ok());
  EXPECT_EQ(alice_.manager->Send("carol", "hello").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(alice_.manager->HangUp("carol").code(), absl::StatusCode::kNotFound);
}

TEST_F(ConversationTest, TextOutsideTheLimitsIsRefused) {
  Connect();
  EXPECT_EQ(alice_.manager->Send("bob", "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(alice_.manager->Send("bob", "\xC3\x28").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(alice_.manager->Send("bob", std::string(wire::kMaxChatText + 1, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
  const std::string largest(wire::kMaxChatText, 'x');
  ASSERT_TRUE(alice_.manager->Send("bob", largest).ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() == 1; }));
  EXPECT_EQ(bob_.received[0].text, largest);
}

TEST_F(ConversationTest, HangUpEndsItOnBothSidesForGood) {
  Connect();
  ASSERT_TRUE(alice_.manager->Send("bob", "bye").ok());
  ASSERT_TRUE(alice_.manager->HangUp("bob").ok());
  ASSERT_TRUE(RunUntil([&] { return !bob_.closed.empty() && !alice_.closed.empty(); }));
  EXPECT_THAT(bob_.Texts(), ElementsAre("bye"));
  EXPECT_TRUE(RunUntil([&] { return alice_.CountReceipts(ReceiptState::kDelivered) == 1; }, 2s));
  EXPECT_EQ(bob_.closed[0].reason, "the peer hung up");
  EXPECT_TRUE(bob_.closed[0].for_good);
  EXPECT_THAT(bob_.manager->Peers(), IsEmpty());
  EXPECT_FALSE(bob_.manager->Send("alice", "wait").ok());
  // Nothing is left on either disk once the answer is there.
  const auto records = [](const TestPeer& peer) {
    const std::filesystem::directory_iterator files(peer.directory.path() + "/state/links");
    return std::distance(begin(files), end(files));
  };
  EXPECT_TRUE(RunUntil([&] { return records(alice_) == 0 && records(bob_) == 0; }));
}

TEST_F(ConversationTest, AHangUpThatCannotBeWrittenStillReachesThePeer) {
  Connect();
  {
    const FileSizeLimit limit(0);
    const absl::Status failed = alice_.manager->HangUp("bob");
    EXPECT_FALSE(failed.ok());
    EXPECT_FALSE(absl::IsNotFound(failed)) << failed;
  }
  EXPECT_THAT(alice_.manager->Peers(), IsEmpty());
  ASSERT_TRUE(RunUntil([&] { return !bob_.closed.empty() && !alice_.closed.empty(); }, 2s));
  EXPECT_EQ(bob_.closed[0].reason, "the peer hung up");
  EXPECT_TRUE(RunUntil([&] { return LinkFiles(alice_) == 0 && LinkFiles(bob_) == 0; }));
}

TEST_F(ConversationTest, AHangUpWhileThePeerIsAwayReachesItLater) {
  Connect();
  bob_.Stop();
  ASSERT_TRUE(RunUntil([&] { return !alice_.manager->IsOpen("bob"); }));
  ASSERT_TRUE(alice_.manager->HangUp("bob").ok());
  EXPECT_THAT(alice_.manager->Peers(), IsEmpty());
  bob_.Start();
  ASSERT_TRUE(RunUntil(
      [&] { return !bob_.closed.empty() && bob_.closed.back().reason == "the peer hung up"; }));
  EXPECT_THAT(bob_.manager->Peers(), IsEmpty());
}

TEST_F(ConversationTest, MessagesQueuedWhileThePeerRestartsArriveOnceAndInOrder) {
  Connect();
  ASSERT_TRUE(alice_.manager->Send("bob", "one").ok());
  ASSERT_TRUE(RunUntil([&] { return alice_.CountReceipts(ReceiptState::kDelivered) == 1; }));
  bob_.Stop();
  ASSERT_TRUE(alice_.manager->Send("bob", "two").ok());
  ASSERT_TRUE(alice_.manager->Send("bob", "three").ok());
  RunFor(200ms);
  bob_.Start();
  ASSERT_TRUE(RunUntil([&] { return alice_.CountReceipts(ReceiptState::kDelivered) == 3; }));
  EXPECT_THAT(bob_.Texts(), ElementsAre("one", "two", "three"));
  ASSERT_THAT(bob_.opened, SizeIs(2));
  EXPECT_TRUE(bob_.opened[1].reopened);
  EXPECT_FALSE(alice_.closed[0].for_good);
}

TEST_F(ConversationTest, TheRequesterRestartsWithItsOutbox) {
  Connect();
  bob_.Stop();
  ASSERT_TRUE(RunUntil([&] { return !alice_.manager->IsOpen("bob"); }));
  ASSERT_TRUE(alice_.manager->Send("bob", "one").ok());
  alice_.Start();
  EXPECT_THAT(alice_.manager->Peers(), ElementsAre("bob"));
  ASSERT_TRUE(alice_.manager->Send("bob", "two").ok());
  bob_.Start();
  ASSERT_TRUE(RunUntil([&] { return alice_.CountReceipts(ReceiptState::kRead) == 2; }));
  EXPECT_THAT(bob_.Texts(), ElementsAre("one", "two"));
}

TEST_F(ConversationTest, WhatWasNotShownIsReplayedAtTheNextStart) {
  Connect();
  bob_.show = false;
  ASSERT_TRUE(alice_.manager->Send("bob", "one").ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() == 1; }));
  bob_.show = true;
  bob_.Start();
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() == 2; }));
  EXPECT_EQ(bob_.received[1].text, "one");
  EXPECT_EQ(bob_.received[1].id, bob_.received[0].id);
  EXPECT_TRUE(bob_.received[1].replayed);
  bob_.Start();
  RunFor(300ms);
  EXPECT_THAT(bob_.received, SizeIs(2));
}

// What bob's disk has confirmed is alice's no more: it outlives the conversation until bob sees it.
TEST_F(ConversationTest, WhatWasNotShownOutlivesAHangUpByThePeer) {
  Connect();
  SendUnseen("one");
  ASSERT_TRUE(alice_.manager->HangUp("bob").ok());
  ASSERT_TRUE(RunUntil([&] { return !bob_.closed.empty() && LinkFiles(alice_) == 0; }));
  bob_.Start();
  EXPECT_THAT(bob_.manager->Peers(), IsEmpty());
  ASSERT_TRUE(RunUntil([&] { return !bob_.received.empty(); }));
  bob_.received.clear();  // He has not looked this time either.
  ExpectReplayedOnce("one", 0);
}

TEST_F(ConversationTest, WhatWasNotShownOutlivesOnesOwnHangUp) {
  Connect();
  SendUnseen("one");
  alice_.Stop();
  ASSERT_TRUE(bob_.manager->HangUp("alice").ok());
  ExpectReplayedOnce("one", 2);  // The record waits for alice, and for nothing else.
  alice_.Start();
  EXPECT_TRUE(RunUntil([&] { return LinkFiles(bob_) == 0 && LinkFiles(alice_) == 0; }));
}

TEST_F(ConversationTest, WhatWasNotShownOutlivesTheApproval) {
  timing_.approval = 1s;
  for (const bool bob_is_there : {true, false}) {
    TestPeer dave(io_, "dave", timing_);
    bob_.received.clear();
    bob_.timing = timing_;
    bob_.Start();
    const Introduced introduced = Introduce(dave, bob_);
    ASSERT_TRUE(Give(dave, introduced).ok());
    ASSERT_TRUE(Give(bob_, introduced).ok());
    ASSERT_TRUE(RunUntil([&] { return bob_.manager->IsOpen("dave"); }));
    bob_.show = false;
    ASSERT_TRUE(dave.manager->Send("bob", "one").ok());
    ASSERT_TRUE(RunUntil([&] { return dave.CountReceipts(ReceiptState::kDelivered) == 1; }));
    ASSERT_TRUE(RunUntil([&] { return !bob_.received.empty(); }));
    bob_.received.clear();
    if (!bob_is_there) bob_.Stop();
    ASSERT_TRUE(RunUntil([&] { return !dave.closed.empty() && dave.closed.back().for_good; }));
    RunFor(100ms);
    ExpectReplayedOnce("one", 0);
    EXPECT_THAT(bob_.manager->Peers(), IsEmpty());
  }
}

TEST_F(ConversationTest, WhatWasNotShownOutlivesTheConversationThatIsReplaced) {
  Connect();
  SendUnseen("one");
  const Introduced again = Introduce(bob_, alice_);
  ASSERT_TRUE(Give(alice_, again).ok());
  ASSERT_TRUE(Give(bob_, again).ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.opened.size() == 2; }));
  ExpectReplayedOnce("one", 2);
}

// The line leaves the program after the conversation has ended.
TEST_F(ConversationTest, WhatIsShownLateIsNotReplayed) {
  Connect();
  ASSERT_TRUE(alice_.manager->Send("bob", "bye").ok());
  ASSERT_TRUE(alice_.manager->HangUp("bob").ok());
  ASSERT_TRUE(RunUntil([&] { return !bob_.closed.empty(); }));
  EXPECT_TRUE(RunUntil([&] { return LinkFiles(bob_) == 0; }));
  bob_.Start();
  RunFor(200ms);
  EXPECT_THAT(bob_.Texts(), ElementsAre("bye"));
}

TEST_F(ConversationTest, ANewApprovalTakesOverWhatWaitedOnTheOldOne) {
  Connect();
  bob_.Stop();
  ASSERT_TRUE(RunUntil([&] { return !alice_.manager->IsOpen("bob"); }));
  ASSERT_TRUE(alice_.manager->Send("bob", "one").ok());
  bob_.Start();
  const Introduced again = Introduce(bob_, alice_);
  ASSERT_TRUE(Give(alice_, again).ok());
  ASSERT_TRUE(Give(bob_, again).ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() == 1; }));
  EXPECT_THAT(alice_.manager->Peers(), ElementsAre("bob"));
  EXPECT_THAT(bob_.Texts(), ElementsAre("one"));
}

// Alice's journals as they were at some time, as after a crash that lost what came later.
class SavedLinks {
 public:
  explicit SavedLinks(const TestPeer& peer) : links_(peer.directory.path() + "/state/links") {
    std::filesystem::copy(links_, copy_.path(), std::filesystem::copy_options::recursive);
  }
  void Restore() const {
    using Options = std::filesystem::copy_options;
    std::filesystem::copy(copy_.path(), links_, Options::recursive | Options::overwrite_existing);
  }

 private:
  const std::filesystem::path links_;
  ScratchDirectory copy_;
};

// Bob has seen it, his receipt was lost with the connection, and then there is a new approval.
TEST_F(ConversationTest, ANewApprovalDoesNotDoubleWhatThePeerHasAlready) {
  Connect();
  bob_.Stop();
  ASSERT_TRUE(alice_.manager->Send("bob", "one").ok());
  alice_.Stop();
  const SavedLinks before(alice_);
  alice_.Start();
  bob_.Start();
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() == 1; }));
  alice_.Stop();
  bob_.Stop();
  before.Restore();
  alice_.Start();
  bob_.Start();
  alice_.receipts.clear();
  const Introduced again = Introduce(bob_, alice_);
  ASSERT_TRUE(Give(alice_, again).ok());
  ASSERT_TRUE(Give(bob_, again).ok());
  ASSERT_TRUE(alice_.manager->Send("bob", "two").ok());
  ASSERT_TRUE(RunUntil([&] { return alice_.CountReceipts(ReceiptState::kDelivered) == 2; }));
  EXPECT_THAT(alice_.manager->Waiting("bob").value(), IsEmpty());
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() >= 2; }));
  EXPECT_THAT(bob_.Texts(), ElementsAre("one", "two"));
}

// Alice dies while she takes over what waits: before anything of it, and after all of it.
TEST_F(ConversationTest, ACrashInTheMiddleOfANewApprovalLosesAndDoublesNothing) {
  for (const bool carried : {false, true}) {
    bob_.received.clear();
    Connect();
    bob_.Stop();
    ASSERT_TRUE(RunUntil([&] { return !alice_.manager->IsOpen("bob"); }));
    ASSERT_TRUE(alice_.manager->Send("bob", "one").ok());
    alice_.Stop();
    const SavedLinks before(alice_);
    alice_.Start();
    bob_.Start();
    const Introduced again = Introduce(bob_, alice_);
    ASSERT_TRUE(Give(alice_, again).ok());
    ASSERT_TRUE(Give(bob_, again).ok());
    bob_.Stop();
    alice_.Stop();
    before.Restore();
    if (!carried) {
      std::filesystem::remove(absl::StrCat(alice_.directory.path(), "/state/links/",
                                           again.introduction.id.Hex(), ".chat"));
    }
    alice_.Start();
    EXPECT_THAT(alice_.manager->Peers(), ElementsAre("bob")) << carried;
    EXPECT_THAT(alice_.manager->Waiting("bob").value(), SizeIs(1)) << carried;
    ASSERT_TRUE(alice_.manager->Send("bob", "two").ok());
    bob_.Start();
    ASSERT_TRUE(RunUntil([&] { return bob_.received.size() >= 2; })) << carried;
    EXPECT_THAT(bob_.Texts(), ElementsAre("one", "two")) << carried;
    ASSERT_TRUE(RunUntil([&] { return alice_.manager->Waiting("bob").value().empty(); }));
  }
}

TEST_F(ConversationTest, ANewApprovalThatCannotBeWrittenLeavesTheOldConversation) {
  Connect();
  bob_.Stop();
  ASSERT_TRUE(RunUntil([&] { return !alice_.manager->IsOpen("bob"); }));
  const std::string text(wire::kMaxChatText, 'x');
  ASSERT_TRUE(alice_.manager->Send("bob", text).ok());
  bob_.Start();
  const Introduced again = Introduce(bob_, alice_);
  {
    const FileSizeLimit limit(8 * 1024);  // Enough for everything but the message.
    const absl::Status refused = Give(alice_, again);
    EXPECT_FALSE(refused.ok());
    EXPECT_FALSE(absl::IsInvalidArgument(refused) || absl::IsFailedPrecondition(refused))
        << refused << ": the server would not send it again";
  }
  EXPECT_THAT(alice_.manager->Peers(), ElementsAre("bob"));
  EXPECT_THAT(alice_.manager->Waiting("bob").value(), SizeIs(1));
  ASSERT_TRUE(Give(alice_, again).ok());
  ASSERT_TRUE(Give(bob_, again).ok());
  ASSERT_TRUE(RunUntil([&] { return bob_.received.size() == 1; }));
  EXPECT_THAT(bob_.Texts(), ElementsAre(text));
  EXPECT_EQ(alice_.manager->Path("bob")->open, true);
}

TEST_F(ConversationTest, TheOutboxHasABound) {
  const Introduced introduced = Introduce(alice_, bob_);
  ASSERT_TRUE(Give(alice_, introduced).ok());
  const std::string text(wire::kMaxChatText, 'x');
  size_t sent = 0;
  absl::Status last;
  while (sent <= wire::kMaxQueuedMessages) {
    last = alice_.manager->Send("bob", text).status();
    if (!last.ok()) break;
    ++sent;
  }
  EXPECT_EQ(last.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(sent, wire::kMaxQueuedBytes / wire::kMaxChatText);
}

TEST_F(ConversationTest, WhenTheApprovalEndsTheConversationEnds) {
  timing_.approval = 700ms;
  TestPeer carol(io_, "carol", timing_);
  TestPeer dave(io_, "dave", timing_);
  const Introduced introduced = Introduce(carol, dave);
  ASSERT_TRUE(Give(dave, introduced).ok());
  ASSERT_TRUE(Give(carol, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return carol.manager->IsOpen("dave"); }));
  ASSERT_TRUE(RunUntil([&] { return !carol.closed.empty() && carol.closed.back().for_good; }));
  EXPECT_EQ(carol.closed.back().reason, "the approval has ended");
  EXPECT_THAT(carol.manager->Peers(), IsEmpty());
}

TEST_F(ConversationTest, APeerThatIsNotThereIsReportedWithTheReason) {
  const Introduced introduced = Introduce(alice_, bob_);
  bob_.Stop();
  ASSERT_TRUE(Give(alice_, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return !alice_.dial_failed.empty(); }));
  EXPECT_EQ(alice_.dial_failed[0].peer, "bob");
  EXPECT_THAT(alice_.dial_failed[0].reasons,
              ElementsAre(absl::StrCat("127.0.0.1:", bob_.port, ": Connection refused")));
}

TEST_F(ConversationTest, TheChatPortIsKeptAcrossRestartsAndATakenOneIsLeftAlone) {
  const uint16_t before = bob_.port;
  bob_.Start();
  EXPECT_EQ(bob_.port, before);
  bob_.Stop();
  asio::ip::tcp::acceptor other(io_, {asio::ip::address_v4::loopback(), before});
  bob_.Start();
  EXPECT_NE(bob_.port, before);
}

TEST_F(ConversationTest, OneClientTalksToSeveralPeers) {
  Connect();
  TestPeer carol(io_, "carol", timing_);
  const Introduced introduced = Introduce(carol, alice_);
  ASSERT_TRUE(Give(alice_, introduced).ok());
  ASSERT_TRUE(Give(carol, introduced).ok());
  ASSERT_TRUE(RunUntil([&] { return alice_.manager->IsOpen("carol"); }));
  EXPECT_THAT(alice_.manager->Peers(), ElementsAre("bob", "carol"));
  ASSERT_TRUE(alice_.manager->Send("bob", "to bob").ok());
  ASSERT_TRUE(alice_.manager->Send("carol", "to carol").ok());
  ASSERT_TRUE(RunUntil([&] { return alice_.CountReceipts(ReceiptState::kRead) == 2; }));
  EXPECT_THAT(bob_.Texts(), ElementsAre("to bob"));
  EXPECT_THAT(carol.Texts(), ElementsAre("to carol"));
}

TEST_F(PeerLinkTest, AChangedKeyIsRefusedUntilItIsTrustedAndBothSeeOneSafetyNumber) {
  TestPeer alice(io_, "alice", timing_);
  TestPeer bob(io_, "bob", timing_);
  const Introduced first = Introduce(alice, bob);
  ASSERT_TRUE(Give(alice, first).ok());
  ASSERT_TRUE(Give(bob, first).ok());
  ASSERT_TRUE(RunUntil([&] { return alice.opened.size() == 1 && bob.opened.size() == 1; }));
  EXPECT_EQ(alice.opened[0].identity, "unverified");
  const auto number = alice.manager->Identity("BOB");
  ASSERT_TRUE(number.ok());
  EXPECT_EQ(number->state, "unverified");
  EXPECT_EQ(number->safety_number, bob.manager->Identity("alice")->safety_number);
  ASSERT_TRUE(alice.manager->MarkVerified("bob").ok());
  EXPECT_EQ(alice.manager->Identity("bob")->state, "verified");

  // The same account with another device key, or a server that puts its own in place of it.
  TestPeer other(io_, "bob", timing_);
  other.uid = bob.uid;
  const Introduced second = Introduce(alice, other);
  const absl::Status refused = Give(alice, second);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("/trust bob"));
  EXPECT_TRUE(Give(alice, second).ok()) << "a repeat is only acknowledged";
  EXPECT_EQ(alice.manager->Identity("bob")->state, "changed");
  EXPECT_NE(alice.manager->Identity("bob")->safety_number, number->safety_number);
  alice.Start();
  EXPECT_EQ(alice.manager->Identity("bob")->state, "changed") << "also after a restart";
  ASSERT_TRUE(Give(other, second).ok());
  RunFor(300ms);
  EXPECT_TRUE(other.opened.empty()) << "no word to the new key";

  // Yet another key, after the user has compared that one: nothing that was not compared is taken.
  TestPeer another(io_, "bob", timing_);
  another.uid = bob.uid;
  EXPECT_FALSE(Give(alice, Introduce(alice, another)).ok());
  const absl::Status changed_again = alice.manager->Trust("bob");
  EXPECT_TRUE(absl::IsFailedPrecondition(changed_again)) << changed_again;
  EXPECT_THAT(std::string(changed_again.message()), HasSubstr("/verify bob"));
  EXPECT_EQ(alice.manager->Identity("bob")->state, "changed");
  EXPECT_FALSE(Give(alice, Introduce(alice, other)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(alice.manager->Trust("bob")));
  EXPECT_EQ(alice.manager->Identity("bob")->state, "changed");
  ASSERT_TRUE(alice.manager->Trust("bob").ok());
  const Introduced third = Introduce(alice, other);
  ASSERT_TRUE(Give(alice, third).ok());
  ASSERT_TRUE(Give(other, third).ok());
  ASSERT_TRUE(RunUntil([&] { return !other.opened.empty(); }));
  EXPECT_EQ(alice.manager->Identity("bob")->safety_number,
            other.manager->Identity("alice")->safety_number);
}

}  // namespace
}  // namespace p2p::client
