#include "peer-client/chat/conversation.h"

#include <gmock/gmock.h>

#include "peer-client/chat/durable.h"
#include "tests/fakes/memory_storage.h"

namespace p2p::client {
namespace {

using ::testing::SizeIs;

MessageId IdOf(uint8_t n) {
  MessageId id;
  id.bytes[0] = n;
  return id;
}

class ConversationStateTest : public ::testing::Test {
 protected:
  void Queue(const std::string& text) {
    ASSERT_TRUE(conversation_.CheckRoom(text).ok());
    ++n_;
    conversation_.Queue(conversation_.Compose(IdOf(n_), text, WallFromMs(n_)));
  }
  Conversation conversation_;
  std::vector<Receipt> receipts_;
  uint8_t n_ = 0;
};

TEST_F(ConversationStateTest, MessagesAreNumberedFromOneAndSentInOrder) {
  Queue("one");
  Queue("two");
  ASSERT_TRUE(conversation_.StartSending(0, receipts_));
  EXPECT_EQ(conversation_.NextToSend()->seq, 1u);
  conversation_.MarkSent();
  EXPECT_EQ(conversation_.NextToSend()->text, "two");
  conversation_.MarkSent();
  EXPECT_EQ(conversation_.NextToSend(), nullptr);
}

TEST_F(ConversationStateTest, ReceiptsAreCumulativeAndOnlyForWhatWasSent) {
  Queue("one");
  Queue("two");
  Queue("three");
  ASSERT_TRUE(conversation_.StartSending(0, receipts_));
  conversation_.MarkSent();
  conversation_.MarkSent();
  EXPECT_FALSE(conversation_.OnReceipt(3, false, receipts_));
  EXPECT_TRUE(conversation_.OnReceipt(2, false, receipts_));
  ASSERT_THAT(receipts_, SizeIs(2));
  EXPECT_TRUE(conversation_.OnReceipt(2, false, receipts_));
  EXPECT_THAT(receipts_, SizeIs(2));
  EXPECT_EQ(conversation_.NextToSend()->seq, 3u);
  EXPECT_TRUE(conversation_.OnReceipt(1, true, receipts_));
  ASSERT_THAT(receipts_, SizeIs(3));
  EXPECT_TRUE(receipts_[2].read);
  EXPECT_EQ(receipts_[2].id, IdOf(1));
}

TEST_F(ConversationStateTest, ANewConnectionSendsWhatIsNotDeliveredAgain) {
  Queue("one");
  Queue("two");
  ASSERT_TRUE(conversation_.StartSending(0, receipts_));
  conversation_.MarkSent();
  conversation_.MarkSent();
  ASSERT_TRUE(conversation_.StartSending(1, receipts_));
  EXPECT_THAT(receipts_, SizeIs(1));
  EXPECT_EQ(conversation_.NextToSend()->seq, 2u);
  EXPECT_FALSE(conversation_.StartSending(3, receipts_));
}

TEST_F(ConversationStateTest, IncomingIsNewOnceAndNeverSkips) {
  EXPECT_EQ(conversation_.Accept(2), Conversation::Incoming::kGap);
  EXPECT_EQ(conversation_.Accept(1), Conversation::Incoming::kNew);
  EXPECT_EQ(conversation_.Accept(1), Conversation::Incoming::kDuplicate);
  EXPECT_EQ(conversation_.Accept(0), Conversation::Incoming::kDuplicate);
  EXPECT_EQ(conversation_.journalled(), 0u);
  conversation_.ConfirmJournalled(1);
  EXPECT_EQ(conversation_.journalled(), 1u);
}

TEST_F(ConversationStateTest, TheOutboxIsBoundedByCountAndFreedByReceipts) {
  for (size_t i = 0; i < wire::kMaxQueuedMessages; ++i) Queue("x");
  EXPECT_EQ(conversation_.CheckRoom("x").code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(conversation_.StartSending(1, receipts_));
  EXPECT_TRUE(conversation_.CheckRoom("x").ok());
}

TEST_F(ConversationStateTest, TheOutboxIsBoundedByBytes) {
  const std::string large(wire::kMaxChatText, 'x');
  for (size_t i = 0; i < wire::kMaxQueuedBytes / wire::kMaxChatText; ++i) Queue(large);
  EXPECT_EQ(conversation_.CheckRoom("x").code(), absl::StatusCode::kResourceExhausted);
}

TEST(DurableTest, AfterAFailedSyncEveryMessageIsRefused) {
  MemoryStorage storage;
  auto journal = *ChatJournal::Open(storage, "chat");
  Conversation conversation(journal->history());
  const auto send = [&] {
    return SendDurably(*journal, conversation, MessageId(), "hello", WallFromMs(1)).status();
  };
  ASSERT_TRUE(send().ok());
  storage.power_until = storage.uses + 1;  // It is written, and not synced.
  EXPECT_FALSE(send().ok());
  storage.power_until = -1;
  EXPECT_FALSE(send().ok());
  EXPECT_EQ(conversation.waiting(), 1u);
}

}  // namespace
}  // namespace p2p::client
