// How a client keeps its session without its user: renewal before, after and instead of the end.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const CallError kRefused = Answered(absl::StatusCode::kUnauthenticated, "cannot be renewed");

class RenewalTest : public ::testing::Test {
 protected:
  Session Tokens(const std::string& token, const std::string& resume, Duration life = 12h) const {
    Session session = world_.MakeSession();
    session.token = SecretText(token);
    session.resume_token = SecretText(resume);
    session.expires_at = world_.wall + std::chrono::duration_cast<std::chrono::milliseconds>(life);
    return session;
  }
  // Attached by the saved tokens "t1" and "r1".
  void Attach() {
    world_.model->Start(true, Tokens("t1", "r1"), world_.now());
    world_.Hello();
    world_.Attached();
    world_.control.calls.clear();
    world_.sink.shown.clear();
  }
  void End(absl::StatusCode code, const std::string& message) {
    world_.model->OnChannelEnd(Answered(code, message), world_.now());
  }
  void Resumed(Outcome<Session> result) {
    world_.model->OnResumed(std::move(result), world_.now());
  }

  ClientWorld world_;
};

TEST_F(RenewalTest, AnExpiredTokenIsRenewedBeforeTheAttach) {
  world_.model->Start(true, Tokens("t1", "r1", -1h), world_.now());
  world_.Hello();
  EXPECT_THAT(world_.control.calls, ElementsAre("connect", "resume r1"));
  Resumed(Tokens("t2", "r2"));
  EXPECT_EQ(world_.control.calls.back(), "attach 4400");
  EXPECT_EQ(world_.control.token, "t2");
  EXPECT_EQ(world_.state.saved, "t2");
  world_.Attached();
  EXPECT_TRUE(world_.Shown<out::LoggedIn>()[0].resumed);
  EXPECT_THAT(world_.Shown<out::Error>(), IsEmpty());
}

TEST_F(RenewalTest, ATokenTheServerDoesNotTakeIsRenewedOnce) {
  Attach();
  End(absl::StatusCode::kUnauthenticated, "the session has ended");
  EXPECT_EQ(world_.control.calls.back(), "resume r1");
  EXPECT_THAT(world_.Shown<out::Error>(), IsEmpty());
  Resumed(Tokens("t2", "r2"));
  EXPECT_EQ(world_.control.calls.back(), "attach 4400");
  world_.Attached();
  EXPECT_TRUE(world_.model->attached());
}

TEST_F(RenewalTest, WhoseSessionWasEndedIsToldWhyAndAskedForThePassword) {
  Attach();
  world_.state.saved = "t1";
  world_.model->OnChannelEvent(event::Detached{false, false, "the operator ended this session"},
                               world_.now());
  End(absl::StatusCode::kUnauthenticated, "");
  Resumed(kRefused);
  ASSERT_THAT(world_.Shown<out::Error>(), SizeIs(1));
  EXPECT_EQ(world_.Shown<out::Error>()[0].message, "the operator ended this session");
  EXPECT_EQ(world_.state.saved, "");
  EXPECT_EQ(world_.control.token, "");
  world_.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world_.now());
  EXPECT_EQ(world_.control.calls.back(), "login alice pw");
}

TEST_F(RenewalTest, WithoutAnAnswerTheSessionIsKeptAndTriedAgain) {
  world_.model->Start(true, Tokens("t1", "r1", -1h), world_.now());
  world_.Hello();
  Resumed(NoAnswer());
  ASSERT_THAT(world_.Shown<out::Retry>(), SizeIs(1));
  world_.Advance(10min);
  EXPECT_EQ(world_.control.calls.back(), "connect");
  world_.Hello();
  EXPECT_EQ(world_.control.calls.back(), "resume r1");
}

TEST_F(RenewalTest, AnAttachedClientRenewsWhenAQuarterOfTheLifeIsLeft) {
  Attach();
  world_.Advance(9h - 1s);
  EXPECT_THAT(world_.control.calls, IsEmpty());
  world_.Advance(2s);
  EXPECT_THAT(world_.control.calls, ElementsAre("resume r1"));
  Resumed(Tokens("t2", "r2"));
  EXPECT_TRUE(world_.model->attached());  // On the same channel.
  EXPECT_THAT(world_.control.calls, ElementsAre("resume r1"));
  EXPECT_EQ(world_.control.token, "t2");
  EXPECT_EQ(world_.state.saved, "t2");
  EXPECT_THAT(world_.sink.shown, IsEmpty());
  world_.Advance(9h);
  EXPECT_EQ(world_.control.calls.back(), "resume r2");
}

TEST_F(RenewalTest, AFailureInTheBackgroundIsNoNewsAndTriedAgain) {
  Attach();
  world_.Advance(9h + 1s);
  Resumed(Answered(absl::StatusCode::kResourceExhausted, "busy"));
  EXPECT_TRUE(world_.model->attached());
  EXPECT_THAT(world_.sink.shown, IsEmpty());
  world_.Advance(61s);
  EXPECT_THAT(world_.control.calls, ElementsAre("resume r1", "resume r1"));
}

TEST_F(RenewalTest, AChannelThatEndsDuringARenewalWaitsForThatOne) {
  Attach();
  world_.Advance(9h + 1s);
  End(absl::StatusCode::kUnauthenticated, "the session has ended");
  EXPECT_THAT(world_.control.calls, ElementsAre("resume r1"));  // A second would void the first.
  Resumed(Tokens("t2", "r2"));
  EXPECT_EQ(world_.control.calls.back(), "attach 4400");
}

TEST_F(RenewalTest, AnAnswerAfterTheLogOutBringsNothingBack) {
  Attach();
  world_.Advance(9h + 1s);
  world_.model->OnCommand(cmd::Logout{}, world_.now());
  world_.model->OnLogout(Done{}, world_.now());
  Resumed(Tokens("t2", "r2"));
  EXPECT_EQ(world_.control.token, "");
  EXPECT_EQ(world_.state.saved, "");
  EXPECT_THAT(world_.control.calls, Not(Contains("attach 4400")));
}

// The client's clock is half a day ahead: by it every token has ended.
TEST_F(RenewalTest, AWrongClockRenewsNoMoreThanARightOne) {
  world_.model->Start(true, Tokens("t1", "r1"), world_.now());
  world_.Hello();
  event::Attached attached;
  attached.server_time = world_.wall - 12h;
  world_.model->OnChannelEvent(attached, world_.now());
  world_.control.calls.clear();
  world_.Advance(9h);  // Three quarters of what the server sees as 24 h is twice that.
  EXPECT_THAT(world_.control.calls, IsEmpty());
  world_.Advance(9h + 1s);
  ASSERT_THAT(world_.control.calls, ElementsAre("resume r1"));
  Session fresh = Tokens("t2", "r2", Duration::zero());  // 12 h from now, by the server's clock.
  Resumed(std::move(fresh));
  world_.Advance(9h - 2s);
  EXPECT_THAT(world_.control.calls, SizeIs(1));
  world_.Advance(3s);
  EXPECT_THAT(world_.control.calls, SizeIs(2));
}

TEST_F(RenewalTest, AClockThatIsSetMeanwhileChangesNothing) {
  world_.model->Start(true, Tokens("t1", "r1"), world_.now());
  world_.Hello();
  event::Attached attached;
  attached.server_time = world_.wall;
  world_.model->OnChannelEvent(attached, world_.now());
  world_.control.calls.clear();
  world_.wall += 12h;
  world_.Advance(9h + 1s);
  ASSERT_THAT(world_.control.calls, ElementsAre("resume r1"));
  Session fresh = Tokens("t2", "r2", Duration::zero());
  Resumed(std::move(fresh));
  world_.Advance(1h);
  EXPECT_THAT(world_.control.calls, SizeIs(1));
}

TEST_F(RenewalTest, ANewTokenThatSeemsToHaveEndedIsNotRenewedAtOnce) {
  Attach();  // Of a server that does not tell its time.
  world_.Advance(9h + 1s);
  Resumed(Tokens("t2", "r2", -1h));
  world_.Advance(5min - 1s);
  EXPECT_THAT(world_.control.calls, ElementsAre("resume r1"));
  world_.Advance(2s);
  EXPECT_EQ(world_.control.calls.back(), "resume r2");
}

TEST_F(RenewalTest, AServerThatRenewsNothingIsNotAsked) {
  world_.model->Start(true, Tokens("t1", ""), world_.now());
  world_.Hello();
  world_.Attached();
  world_.Advance(13h);
  End(absl::StatusCode::kUnauthenticated, "the session has ended");
  EXPECT_THAT(world_.control.calls, Not(Contains("resume ")));
  EXPECT_EQ(world_.Shown<out::Error>()[0].message, "the session has ended");
}

}  // namespace
}  // namespace p2p::client
