#include "control-server/service/channel_outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Writes down what it is asked to do; may answer before the call returns, as gRPC may.
class FakeDriver final : public ChannelDriver {
 public:
  void WriteEvent(const v1::ServerEvent& event) override {
    EXPECT_FALSE(writing) << "two writes at once";
    EXPECT_FALSE(finished) << "a write after the end";
    writing = true;
    done.push_back("write " + event.detached().message());
    if (inline_answers) Written(true);
  }
  void ReadEvent() override {
    EXPECT_FALSE(finished) << "a read after the end";
    done.push_back("read");
  }
  void FinishCall(const grpc::Status& status) override {
    EXPECT_FALSE(writing) << "finished while writing";
    EXPECT_FALSE(finished) << "finished twice";
    finished = true;
    code = status.error_code();
    done.push_back("finish");
  }
  void Written(bool ok) {
    writing = false;
    outbox->OnWritten(ok);
  }

  ChannelOutbox* outbox = nullptr;
  bool inline_answers = false;
  bool writing = false;
  bool finished = false;
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::vector<std::string> done;
};

std::shared_ptr<const v1::ServerEvent> Say(const std::string& text) {
  auto event = std::make_shared<v1::ServerEvent>();
  event->mutable_detached()->set_message(text);
  return event;
}

class ChannelOutboxTest : public ::testing::Test {
 protected:
  ChannelOutboxTest() { driver_.outbox = &outbox_; }
  ManualClock clock_;
  FakeDriver driver_;
  ChannelOutbox outbox_{driver_, clock_};
};

TEST_F(ChannelOutboxTest, EventsGoOutOneAtATimeInOrder) {
  outbox_.Push(Say("a"));
  outbox_.Push(Say("b"));
  EXPECT_THAT(driver_.done, ElementsAre("write a"));
  driver_.Written(true);
  driver_.Written(true);
  EXPECT_THAT(driver_.done, ElementsAre("write a", "write b"));
  EXPECT_FALSE(outbox_.WritingSince().has_value());
}

TEST_F(ChannelOutboxTest, ADriverThatAnswersAtOnceIsNotEnteredTwice) {
  driver_.inline_answers = true;
  outbox_.Push(Say("a"));
  outbox_.End(Say("last"), grpc::Status(grpc::StatusCode::ABORTED, ""));
  EXPECT_THAT(driver_.done, ElementsAre("write a", "write last", "finish"));
  EXPECT_EQ(driver_.code, grpc::StatusCode::ABORTED);
}

TEST_F(ChannelOutboxTest, TheEndComesAfterWhatWaitsAndTheFirstEndCounts) {
  outbox_.Push(Say("a"));
  outbox_.Push(Say("b"));
  outbox_.End(Say("last"), grpc::Status(grpc::StatusCode::ABORTED, ""));
  outbox_.End(Say("other"), grpc::Status::OK);
  EXPECT_FALSE(outbox_.Push(Say("late")));
  for (int i = 0; i < 3; ++i) driver_.Written(true);
  EXPECT_THAT(driver_.done, ElementsAre("write a", "write b", "write last", "finish"));
  EXPECT_EQ(driver_.code, grpc::StatusCode::ABORTED);
}

TEST_F(ChannelOutboxTest, NothingIsReadAfterTheEnd) {
  outbox_.Read();
  outbox_.End(nullptr, grpc::Status::OK);
  outbox_.Read();
  EXPECT_THAT(driver_.done, ElementsAre("read", "finish"));
}

TEST_F(ChannelOutboxTest, AnAbandonedChannelFinishesWhenItsWriteReturned) {
  outbox_.Push(Say("a"));
  outbox_.Push(Say("b"));
  outbox_.Abandon();
  EXPECT_THAT(driver_.done, ElementsAre("write a"));
  driver_.Written(false);
  EXPECT_THAT(driver_.done, ElementsAre("write a", "finish"));
}

TEST_F(ChannelOutboxTest, TooManyEventsEndTheChannelAndSaySo) {
  for (size_t i = 0; i < ChannelOutbox::kMaxEvents; ++i) {
    ASSERT_TRUE(outbox_.Push(Say("x"))) << i;
  }
  EXPECT_FALSE(outbox_.Push(Say("x")));
  EXPECT_TRUE(outbox_.overflowed());
  driver_.Written(true);
  driver_.Written(true);
  EXPECT_THAT(driver_.done, ElementsAre("write x", "write events were read too slowly", "finish"));
  EXPECT_EQ(driver_.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ChannelOutboxTest, TooManyBytesEndItToo) {
  const std::string big(ChannelOutbox::kMaxBytes / 2, 'x');
  EXPECT_TRUE(outbox_.Push(Say(big)));
  EXPECT_FALSE(outbox_.Push(Say(big)));
  EXPECT_TRUE(outbox_.overflowed());
}

TEST_F(ChannelOutboxTest, BytesThatWentOutMakeRoomAgain) {
  const std::string big(ChannelOutbox::kMaxBytes / 2, 'x');
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(outbox_.Push(Say(big)));
    driver_.Written(true);
  }
}

TEST_F(ChannelOutboxTest, SharedEventsNeverFillTheQueueAndGiveWayToOthers) {
  const std::string big(60 * 1024, 'x');
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(outbox_.PushShared(Say(big)));  // 6 MiB at once.
  EXPECT_TRUE(outbox_.Push(Say("urgent")));
  driver_.Written(true);
  EXPECT_EQ(driver_.done.back(), "write urgent");
  for (int i = 0; i < 100; ++i) driver_.Written(true);
  EXPECT_EQ(driver_.done.size(), 101u);
  EXPECT_FALSE(driver_.writing);
  EXPECT_FALSE(outbox_.overflowed());
}

TEST_F(ChannelOutboxTest, SharedEventsAreBoundedAndTheEndDoesNotWaitForThem) {
  for (size_t i = 0; i <= ChannelOutbox::kMaxShared; ++i) {
    ASSERT_TRUE(outbox_.PushShared(Say("x"))) << i;  // One of them is being written.
  }
  EXPECT_FALSE(outbox_.PushShared(Say("x")));
  EXPECT_FALSE(outbox_.overflowed());
  outbox_.End(Say("last"), grpc::Status::OK);
  driver_.Written(true);
  driver_.Written(true);
  EXPECT_THAT(driver_.done, ElementsAre("write x", "write last", "finish"));
  EXPECT_FALSE(outbox_.PushShared(Say("x")));
}

TEST_F(ChannelOutboxTest, KnowsSinceWhenTheClientDoesNotRead) {
  const MonoTime start = clock_.Mono();
  outbox_.Push(Say("a"));
  outbox_.Push(Say("b"));
  clock_.Advance(9s);
  EXPECT_EQ(outbox_.WritingSince(), start);
  driver_.Written(true);
  EXPECT_EQ(outbox_.WritingSince(), start + 9s);
}

}  // namespace
}  // namespace p2p::server
