#include "peer-client/chat/chat_session.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "p2p/v1/chat.pb.h"
#include "tests/unit/chat/link_samples.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One side: what its user would see, journalled at once.
struct Side {
  Conversation conversation;
  std::unique_ptr<ChatSession> session;
  std::vector<std::string> texts;
  std::vector<Receipt> receipts;
  int opened = 0;
  bool hung_up = false;
  bool hang_up_acked = false;
  bool controller = false;

  void Take(std::vector<SessionEvent> events, MonoTime now) {
    for (const SessionEvent& event : events) {
      if (std::holds_alternative<SessionProven>(event)) {
        if (controller) session->Select(now);
        std::vector<SessionEvent> behind;
        session->Continue(now, behind);
        Take(std::move(behind), now);
      }
      if (std::holds_alternative<SessionOpen>(event)) ++opened;
      if (const auto* message = std::get_if<SessionMessage>(&event)) {
        texts.push_back(message->message.text);
        conversation.ConfirmJournalled(message->message.seq);
      }
      if (const auto* got = std::get_if<SessionReceipts>(&event)) {
        receipts.insert(receipts.end(), got->receipts.begin(), got->receipts.end());
      }
      if (std::holds_alternative<SessionHungUp>(event)) {
        hung_up = true;
        session->AckHangUp();
      }
      if (std::holds_alternative<SessionHangUpAcked>(event)) hang_up_acked = true;
    }
  }
  void Queue(const std::string& text) {
    MessageId id;
    id.bytes[0] = static_cast<uint8_t>(++queued_);
    ASSERT_TRUE(conversation.CheckRoom(text).ok());
    conversation.Queue(conversation.Compose(id, text, WallFromMs(1000 + queued_)));
  }
  int queued_ = 0;
};

class ChatSessionTest : public ::testing::Test {
 protected:
  ChatSessionTest() { Reconnect(); }

  std::unique_ptr<ChatSession> NewSession(Side& side, LinkRole role, bool dialler,
                                          const Bytes& exporter, const LinkSecret& link) {
    return std::make_unique<ChatSession>(SessionSetup{.intro_id = intro_.id,
                                                      .role = role,
                                                      .dialler = dialler,
                                                      .controller = side.controller,
                                                      .link = link.Clone(),
                                                      .exporter = exporter},
                                         timing_, side.conversation, now_);
  }
  void Reconnect() {
    alice_.controller = true;
    alice_.session = NewSession(alice_, LinkRole::kRequester, true, exporter_, link_);
    bob_.session = NewSession(bob_, LinkRole::kTarget, false, exporter_, link_);
  }
  // Carries bytes both ways until nothing moves.
  void Pump() {
    bool moved = true;
    while (moved) {
      moved = Carry(alice_, bob_);
      moved = Carry(bob_, alice_) || moved;
    }
  }
  bool Carry(Side& from, Side& to) {
    const Bytes bytes = from.session->TakeOutput(now_);
    if (bytes.empty()) return false;
    carried_ += bytes.size();
    Feed(to, bytes);
    return true;
  }
  void Feed(Side& to, ByteView bytes) {
    std::vector<SessionEvent> events;
    to.session->OnBytes(bytes, now_, events);
    to.Take(std::move(events), now_);
  }
  void Open() {
    Pump();
    ASSERT_TRUE(alice_.session->open());
    ASSERT_TRUE(bob_.session->open());
  }
  // Moves time to every deadline on the way.
  void Advance(Duration d) {
    const MonoTime end = now_ + d;
    while (now_ < end) {
      MonoTime next = end;
      for (Side* side : {&alice_, &bob_}) {
        if (const auto at = side->session->NextDeadline()) next = std::min(next, *at);
        if (const auto at = side->session->SendAllowedAt()) next = std::min(next, *at);
      }
      now_ = std::max(next, now_ + 1ms);
      for (Side* side : {&alice_, &bob_}) side->session->OnTimer(now_);
      Pump();
    }
  }
  static Bytes Wire(const v1::ChatFrame& frame) {
    Bytes out;
    wire::AppendFrame(AsBytes(frame.SerializeAsString()), out);
    return out;
  }
  static v1::ChatFrame Message(uint64_t seq, const std::string& text) {
    v1::ChatFrame frame;
    frame.mutable_message()->set_id(std::string(16, 'i'));
    frame.mutable_message()->set_seq(seq);
    frame.mutable_message()->set_text(text);
    return frame;
  }

  config::Timing timing_;
  MonoTime now_{1000s};
  wire::Introduction intro_ = SampleIntroduction();
  LinkSecret link_ = DeriveLink(intro_);
  Bytes exporter_ = Bytes(wire::kExporterSize, 0x77);
  Side alice_;  // Requester, dialler, controller.
  Side bob_;
  size_t carried_ = 0;
};

TEST_F(ChatSessionTest, HelloSelectAndTextInOrder) {
  alice_.Queue("before");
  Open();
  EXPECT_EQ(alice_.opened, 1);
  EXPECT_EQ(bob_.opened, 1);
  alice_.Queue("one");
  bob_.Queue("two");
  Pump();
  EXPECT_THAT(bob_.texts, ElementsAre("before", "one"));
  EXPECT_THAT(alice_.texts, ElementsAre("two"));
  ASSERT_THAT(alice_.receipts, SizeIs(2));
  EXPECT_FALSE(alice_.receipts[0].read);
  EXPECT_EQ(alice_.receipts[1].seq, 2u);
  EXPECT_EQ(alice_.conversation.waiting(), 0u);
}

TEST_F(ChatSessionTest, ReadReceiptsFollowShowing) {
  Open();
  alice_.Queue("one");
  alice_.Queue("two");
  Pump();
  bob_.session->MarkRead(2);
  Pump();
  ASSERT_THAT(alice_.receipts, SizeIs(4));
  EXPECT_TRUE(alice_.receipts[2].read && alice_.receipts[3].read);
}

TEST_F(ChatSessionTest, NoReceiptLeavesBeforeTheJournalHasTheMessage) {
  Open();
  std::vector<SessionEvent> events;
  bob_.session->OnBytes(Wire(Message(1, "hello")), now_, events);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_TRUE(bob_.session->TakeOutput(now_).empty());
  bob_.Take(std::move(events), now_);
  EXPECT_FALSE(bob_.session->TakeOutput(now_).empty());
}

TEST_F(ChatSessionTest, AnotherConnectionsProofIsRefusedByBothSides) {
  const Bytes other(wire::kExporterSize, 0x78);
  alice_.session = NewSession(alice_, LinkRole::kRequester, true, other, link_);
  Carry(alice_, bob_);
  ASSERT_TRUE(bob_.session->closed());
  EXPECT_EQ(bob_.session->end(), SessionEnd::kNotProven);
  EXPECT_TRUE(bob_.session->TakeOutput(now_).empty());  // Not a byte to who proved nothing.

  Reconnect();
  // A listener that accepts any hello and answers with a proof for another connection.
  v1::ChatFrame answer;
  answer.mutable_hello_ok()->set_version(1);
  answer.mutable_hello_ok()->set_mac(ToString(HelloMac(link_.view(), other, LinkRole::kTarget)));
  Feed(alice_, Wire(answer));
  ASSERT_TRUE(alice_.session->closed());
  EXPECT_EQ(alice_.session->end(), SessionEnd::kNotProven);
}

TEST_F(ChatSessionTest, AHelloSentBackIsRefused) {
  v1::ChatFrame reflected;
  reflected.mutable_hello_ok()->set_version(1);
  reflected.mutable_hello_ok()->set_mac(
      ToString(HelloMac(link_.view(), exporter_, LinkRole::kRequester)));
  Feed(alice_, Wire(reflected));
  EXPECT_EQ(alice_.session->end(), SessionEnd::kNotProven);
}

TEST_F(ChatSessionTest, AnotherLinkOrIntroductionIsRefused) {
  wire::Introduction other = intro_;
  other.requester.nonce[0] ^= 1;
  alice_.session = NewSession(alice_, LinkRole::kRequester, true, exporter_, DeriveLink(other));
  Carry(alice_, bob_);
  EXPECT_EQ(bob_.session->end(), SessionEnd::kNotProven);

  Reconnect();
  intro_.id.bytes[0] ^= 1;
  alice_.session = NewSession(alice_, LinkRole::kRequester, true, exporter_, link_);
  Carry(alice_, bob_);
  EXPECT_EQ(bob_.session->end(), SessionEnd::kNotProven);
}

TEST_F(ChatSessionTest, NothingButHelloIsAcceptedFirst) {
  v1::ChatFrame select;
  select.mutable_select();
  const Bytes unknown = *HexDecode("00000004c20c0101");  // Ignored later, not before HELLO.
  for (const Bytes& frame : {Wire(Message(1, "hello")), Wire(select), unknown}) {
    Reconnect();
    Feed(bob_, frame);
    ASSERT_TRUE(bob_.session->closed()) << HexEncode(frame);
    EXPECT_EQ(bob_.session->end(), SessionEnd::kBadFrame);
  }
  EXPECT_TRUE(bob_.texts.empty());
}

TEST_F(ChatSessionTest, AFrameBeforeHelloMayNotBeLong) {
  Feed(bob_, ByteWriter().U32(wire::kMaxHelloFrameSize + 1).bytes());
  EXPECT_EQ(bob_.session->end(), SessionEnd::kBadFrame);
}

TEST_F(ChatSessionTest, TextBeforeSelectIsABrokenProtocol) {
  Carry(alice_, bob_);
  ASSERT_TRUE(bob_.session->proven());
  Feed(bob_, Wire(Message(1, "early")));
  EXPECT_EQ(bob_.session->end(), SessionEnd::kBadFrame);
}

TEST_F(ChatSessionTest, WhatComesBehindHelloWaitsUntilTheConnectionIsTaken) {
  Bytes bytes = alice_.session->TakeOutput(now_);
  v1::ChatFrame select;
  select.mutable_select();
  for (const Bytes& more : {Wire(select), Wire(Message(1, "one"))}) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  std::vector<SessionEvent> events;
  bob_.session->OnBytes(bytes, now_, events);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<SessionProven>(events[0]));
  EXPECT_FALSE(bob_.session->open());
  bob_.session->Close(SessionEnd::kReplaced);  // Another one is open.
  std::vector<SessionEvent> behind;
  bob_.session->Continue(now_, behind);
  EXPECT_THAT(behind, IsEmpty());
  EXPECT_EQ(bob_.conversation.Accept(1), Conversation::Incoming::kNew) << "nothing was taken";
}

TEST_F(ChatSessionTest, VersionsMustMeet) {
  v1::ChatFrame hello;
  hello.mutable_hello()->set_intro_id(ToString(intro_.id.view()));
  hello.mutable_hello()->set_mac(ToString(HelloMac(link_.view(), exporter_, LinkRole::kRequester)));
  hello.mutable_hello()->set_min_version(2);
  hello.mutable_hello()->set_max_version(3);
  Feed(bob_, Wire(hello));
  EXPECT_EQ(bob_.session->end(), SessionEnd::kVersion);

  Reconnect();
  hello.mutable_hello()->set_min_version(1);
  Feed(bob_, Wire(hello));
  EXPECT_TRUE(bob_.session->proven());  // 1 is the highest common one.
}

TEST_F(ChatSessionTest, UnknownFramesAreIgnored) {
  Open();
  // Field 200, length-delimited, 1 byte; and an offer, which a client without files ignores.
  Feed(bob_, *HexDecode("00000004c20c0101"));
  v1::ChatFrame offer;
  offer.mutable_file_offer()->set_name("x");
  Feed(bob_, Wire(offer));
  EXPECT_TRUE(bob_.session->open());
}

TEST_F(ChatSessionTest, DuplicatesAreReceiptedAgainAndNotShown) {
  Open();
  Feed(bob_, Wire(Message(1, "one")));
  ASSERT_FALSE(bob_.session->TakeOutput(now_).empty());
  Feed(bob_, Wire(Message(1, "one")));
  EXPECT_THAT(bob_.texts, ElementsAre("one"));
  EXPECT_FALSE(bob_.session->TakeOutput(now_).empty());
}

TEST_F(ChatSessionTest, GapsMalformedTextAndForeignReceiptsEndTheConnection) {
  const auto end_after = [&](const v1::ChatFrame& frame) {
    Reconnect();
    Open();
    Feed(bob_, Wire(frame));
    return bob_.session->closed() ? std::optional(bob_.session->end()) : std::nullopt;
  };
  EXPECT_EQ(end_after(Message(2, "gap")), SessionEnd::kBadFrame);
  EXPECT_EQ(end_after(Message(1, "")), SessionEnd::kBadFrame);
  EXPECT_EQ(end_after(Message(1, std::string(wire::kMaxChatText + 1, 'x'))), SessionEnd::kBadFrame);
  v1::ChatFrame short_id = Message(1, "x");
  short_id.mutable_message()->set_id("short");
  EXPECT_EQ(end_after(short_id), SessionEnd::kBadFrame);
  v1::ChatFrame receipt;
  receipt.mutable_receipt()->set_up_to_seq(1);
  receipt.mutable_receipt()->set_state(v1::ChatReceipt::DELIVERED);
  EXPECT_EQ(end_after(receipt), SessionEnd::kBadFrame);
  v1::ChatFrame second_hello;
  second_hello.mutable_hello();
  EXPECT_EQ(end_after(second_hello), SessionEnd::kBadFrame);
  v1::ChatFrame ack;
  ack.mutable_hang_up_ack();
  EXPECT_EQ(end_after(ack), SessionEnd::kBadFrame);
  EXPECT_EQ(end_after(Message(1, "good")), std::nullopt);
}

TEST_F(ChatSessionTest, APeerThatClaimsMoreThanWasSentIsRefused) {
  v1::ChatFrame hello;
  hello.mutable_hello()->set_intro_id(ToString(intro_.id.view()));
  hello.mutable_hello()->set_mac(ToString(HelloMac(link_.view(), exporter_, LinkRole::kRequester)));
  hello.mutable_hello()->set_min_version(1);
  hello.mutable_hello()->set_max_version(1);
  hello.mutable_hello()->set_received_seq(9);
  Feed(bob_, Wire(hello));
  v1::ChatFrame select;
  select.mutable_select();
  Feed(bob_, Wire(select));
  EXPECT_EQ(bob_.session->end(), SessionEnd::kBadFrame);
}

TEST_F(ChatSessionTest, AReconnectionGoesOnWhereThePeerIs) {
  Open();
  alice_.Queue("one");
  alice_.Queue("two");
  alice_.Queue("three");
  // Bob journals all of it; his receipts are lost with the connection.
  Feed(bob_, alice_.session->TakeOutput(now_));
  EXPECT_TRUE(alice_.receipts.empty());
  alice_.Queue("four");
  Reconnect();
  Open();
  EXPECT_THAT(bob_.texts, ElementsAre("one", "two", "three", "four"));
  EXPECT_THAT(alice_.receipts, SizeIs(4));
}

TEST_F(ChatSessionTest, SendingIsPacedAfterTheBurst) {
  Open();
  for (uint32_t i = 0; i < wire::kMessageBurst + 40; ++i) alice_.Queue(absl::StrCat(i));
  Pump();
  EXPECT_EQ(bob_.texts.size(), wire::kMessageBurst);
  Advance(1s);
  EXPECT_EQ(bob_.texts.size(), wire::kMessageBurst + wire::kMessagesPerSecond);
  Advance(1s);
  EXPECT_EQ(bob_.texts.size(), wire::kMessageBurst + 40);
  EXPECT_EQ(bob_.texts.back(), absl::StrCat(wire::kMessageBurst + 39));
}

TEST_F(ChatSessionTest, WhoSendsFasterIsReadSlower) {
  Open();
  EXPECT_LE(bob_.session->ReadAllowedAt(), now_);
  for (uint64_t seq = 1; seq <= wire::kMessageBurst + 100; ++seq) {
    Feed(bob_, Wire(Message(seq, "flood")));
  }
  const Duration pause = bob_.session->ReadAllowedAt() - now_;
  EXPECT_GE(pause, 5s);
  EXPECT_LE(pause, 5100ms);
}

TEST_F(ChatSessionTest, AFloodOfPingsIsAnsweredByOnePong) {
  Open();
  v1::ChatFrame ping;
  for (uint64_t i = 0; i < 500; ++i) {
    ping.mutable_ping()->set_token(i);
    Feed(bob_, Wire(ping));
  }
  EXPECT_LT(bob_.session->TakeOutput(now_).size(), 20u);
}

TEST_F(ChatSessionTest, AnIdleConnectionStaysUpByPings) {
  Open();
  Advance(10min);
  EXPECT_TRUE(alice_.session->open());
  EXPECT_TRUE(bob_.session->open());
  EXPECT_LT(carried_, 10'000u);
}

TEST_F(ChatSessionTest, WhoWaitsForAnAnswerNoticesSooner) {
  Open();
  Advance(1s);
  alice_.Queue("hello?");
  const MonoTime start = now_;
  int pings = 0;
  ASSERT_FALSE(alice_.session->TakeOutput(now_).empty());  // Lost on the way.
  while (!alice_.session->closed()) {
    now_ = *alice_.session->NextDeadline();
    alice_.session->OnTimer(now_);
    pings += alice_.session->TakeOutput(now_).empty() ? 0 : 1;
  }
  EXPECT_EQ(alice_.session->end(), SessionEnd::kSilent);
  EXPECT_EQ(now_ - start, timing_.peer_ping / 3 * 2);
  EXPECT_EQ(pings, 1);
}

TEST_F(ChatSessionTest, ASilentPeerIsGivenUp) {
  Open();
  const MonoTime start = now_;
  while (!alice_.session->closed()) {
    now_ = *alice_.session->NextDeadline();
    alice_.session->OnTimer(now_);
    alice_.session->TakeOutput(now_);
  }
  EXPECT_EQ(alice_.session->end(), SessionEnd::kSilent);
  EXPECT_EQ(now_ - start, timing_.peer_ping * (wire::kSilentPings + 1));
}

TEST_F(ChatSessionTest, HelloAndSelectedHaveDeadlines) {
  now_ += timing_.peer_handshake;
  bob_.session->OnTimer(now_);
  EXPECT_EQ(bob_.session->end(), SessionEnd::kSlow);

  Reconnect();
  Carry(alice_, bob_);
  Carry(bob_, alice_);
  ASSERT_TRUE(alice_.session->proven());
  now_ += timing_.select_wait;
  alice_.session->OnTimer(now_);
  EXPECT_EQ(alice_.session->end(), SessionEnd::kSlow);
}

TEST_F(ChatSessionTest, AHangUpFollowsTheTextAndIsAcknowledged) {
  Open();
  alice_.Queue("last words");
  alice_.session->HangUp("bye", now_);
  Pump();
  EXPECT_THAT(bob_.texts, ElementsAre("last words"));
  ASSERT_THAT(alice_.receipts, SizeIs(1)) << "the answer comes after the receipt";
  EXPECT_EQ(alice_.receipts[0].seq, 1u);
  EXPECT_TRUE(bob_.hung_up);
  EXPECT_TRUE(alice_.hang_up_acked);
  EXPECT_EQ(alice_.session->end(), SessionEnd::kHungUp);
  EXPECT_EQ(bob_.session->end(), SessionEnd::kHungUp);
}

TEST_F(ChatSessionTest, BothMayHangUpAtOnce) {
  Open();
  alice_.session->HangUp("", now_);
  bob_.session->HangUp("", now_);
  Pump();
  EXPECT_TRUE(alice_.session->closed());
  EXPECT_TRUE(bob_.session->closed());
  EXPECT_TRUE(alice_.hung_up || alice_.hang_up_acked);
  EXPECT_TRUE(bob_.hung_up || bob_.hang_up_acked);
}

// Half of the runs attack before HELLO, half an open session; inputs are random bytes and mutated
// recordings of real ones.
TEST_F(ChatSessionTest, AHundredThousandHostileInputsShowNothingAndCrashNothing) {
  google::protobuf::SetLogHandler(nullptr);  // As ChatManager does.
  SeededRandom random(5);
  Bytes hello;
  Bytes open_traffic;
  {
    hello = alice_.session->TakeOutput(now_);
    v1::ChatFrame receipt, ping, hang_up;
    receipt.mutable_receipt()->set_state(v1::ChatReceipt::READ);
    ping.mutable_ping()->set_token(7);
    hang_up.mutable_hang_up()->set_reason("bye");
    for (const auto& frame : {Message(1, "one"), Message(2, "two"), receipt, ping, hang_up}) {
      const Bytes bytes = Wire(frame);
      open_traffic.insert(open_traffic.end(), bytes.begin(), bytes.end());
    }
  }
  size_t proven = 0;
  size_t still_open = 0;
  for (int run = 0; run < 100'000; ++run) {
    bob_ = Side();
    bob_.session = NewSession(bob_, LinkRole::kTarget, false, exporter_, link_);
    const bool attack_open = run % 2 == 1;
    if (attack_open) {
      Feed(bob_, hello);
      v1::ChatFrame select;
      select.mutable_select();
      Feed(bob_, Wire(select));
      ASSERT_TRUE(bob_.session->open());
    }
    Bytes input = attack_open ? open_traffic : hello;
    if (random.Below(4) == 0) {
      input.resize(random.Below(200));
      random.Fill(input);
    }
    for (uint64_t n = random.Below(4) + 1; n > 0 && !input.empty(); --n) {
      const size_t at = random.Below(input.size());
      if (random.Below(2) == 0) {
        input[at] = static_cast<uint8_t>(input[at] ^ (1u << random.Below(8)));
      } else {
        input.erase(input.begin() + static_cast<ptrdiff_t>(at));
      }
    }
    if (!attack_open && input == hello) continue;
    Feed(bob_, input);
    const Bytes out = bob_.session->TakeOutput(now_);
    if (attack_open) {
      still_open += bob_.session->open() ? 1 : 0;
      ASSERT_LE(bob_.texts.size(), 2u);
    } else {
      // Versions and the resume position are not covered by the proof: TLS protects them.
      proven += bob_.session->proven() ? 1 : 0;
      ASSERT_TRUE(bob_.texts.empty());
      ASSERT_TRUE(bob_.session->proven() || out.empty());
    }
  }
  EXPECT_LT(proven, 5000u);
  EXPECT_GT(still_open, 100u);
}

}  // namespace
}  // namespace p2p::client
