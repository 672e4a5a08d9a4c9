// Getting in, staying in, coming back.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SessionTest, SignUpThenLogInThenAttach) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("connect"));
  world.Hello();
  EXPECT_THAT(world.Shown<out::Connected>()[0].choices,
              ElementsAre(Choice::kLogin, Choice::kSignup));
  world.Line("/signup");
  world.Line("alice");
  world.Line("one password");
  world.Line("another one");
  // Whether they are equal is the server's to say.
  EXPECT_EQ(world.control.calls.back(), "signup alice one password another one");
  world.model->OnSignup(Answered(absl::StatusCode::kInvalidArgument, "confirm_password: differs"),
                        world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "INVALID_ARGUMENT");
  world.Line("/login alice");
  EXPECT_EQ(world.Shown<out::Prompt>().back().field, PromptField::kPassword);
  world.Line("one password");
  world.model->OnLogin(world.MakeSession(), world.now());
  EXPECT_EQ(world.control.calls.back(), "attach 4400");
  EXPECT_EQ(world.state.saved, "token");
  EXPECT_THAT(world.Shown<out::LoggedIn>(), IsEmpty());  // Only when the channel is attached.
  world.Attached();
  ASSERT_EQ(world.Shown<out::LoggedIn>().size(), 1u);
  EXPECT_FALSE(world.Shown<out::LoggedIn>()[0].resumed);
  EXPECT_EQ(world.broadcasts.attached, 1);
}

TEST(SessionTest, ImpatienceIsNotASecondLogIn) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.Hello();
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  world.model->OnLogin(world.MakeSession(), world.now());
  world.Attached();
  EXPECT_EQ(world.Shown<out::LoggedIn>().size(), 1u);
  EXPECT_THAT(world.control.calls, ElementsAre("connect", "login alice pw", "attach 4400"));
  // Asked later, it is answered: the script that asks waits for it.
  world.model->OnCommand(cmd::Login{"Alice", SecretText("pw")}, world.now());
  EXPECT_EQ(world.Shown<out::LoggedIn>().size(), 2u);
  world.model->OnCommand(cmd::Login{"bob", SecretText("pw")}, world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "FAILED_PRECONDITION");
}

TEST(SessionTest, AFullServerIsTriedSixTimesAndThenOn) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  const MonoTime start = world.mono;
  for (int i = 1; i <= 8; ++i) {
    world.model->OnHello(Answered(absl::StatusCode::kResourceExhausted, "full: 50 of 50"),
                         world.now());
    const auto retry = world.Shown<out::Retry>().back();
    EXPECT_EQ(retry.reason, RetryReason::kFull);
    EXPECT_EQ(retry.attempt, i);
    EXPECT_EQ(retry.of, i <= 6 ? 6 : 0);
    EXPECT_EQ(retry.detail, "full: 50 of 50");
    world.Advance(retry.in);
    EXPECT_EQ(world.control.calls.back(), "connect");
    if (i == 6) {
      EXPECT_LE(world.mono - start, 590s);
    }
  }
  world.Hello();
  EXPECT_EQ(world.Shown<out::Connected>().size(), 1u);
  EXPECT_FALSE(world.model->exit_code());
}

TEST(SessionTest, CommandsTypedBeforeTheFirstConnectionRunInOrder) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.model->OnCommand(cmd::Signup{"alice", SecretText("pw"), SecretText("pw")}, world.now());
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  world.Line("/list");
  world.Line("/broadcast hello");
  EXPECT_THAT(world.control.calls, ElementsAre("connect"));
  world.model->OnHello(NoAnswer(), world.now());
  world.Advance(10s);
  world.Hello();
  world.control.calls.clear();
  world.model->OnSignup(SignupInfo{"now log in"}, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("login alice pw"));
  world.model->OnLogin(world.MakeSession(), world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("login alice pw", "attach 4400"));
  world.Attached();
  world.model->OnList(std::vector<out::ActiveClient>{{"alice", "10.0.0.1"}}, world.now());
  EXPECT_THAT(world.control.calls,
              ElementsAre("login alice pw", "attach 4400", "list", "broadcast hello"));
}

TEST(SessionTest, TheThousandAndFirstHeldCommandIsRefused) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  for (int i = 0; i < 1000; ++i) world.Line("/list");
  EXPECT_THAT(world.Shown<out::Error>(), IsEmpty());
  world.Line("/list");
  ASSERT_EQ(world.Shown<out::Error>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "RESOURCE_EXHAUSTED");
}

TEST(SessionTest, ARestartedClientIsBackWithoutAPassword) {
  ClientWorld world;
  world.model->Start(true, world.MakeSession(), world.now());
  EXPECT_THAT(world.peers.opened, ElementsAre("alice"));  // Before the server answers.
  EXPECT_EQ(world.control.token, "token");
  world.Hello();
  world.Attached();
  EXPECT_TRUE(world.Shown<out::LoggedIn>()[0].resumed);
}

TEST(SessionTest, AnExpiredSessionIsNotTried) {
  ClientWorld world;
  auto old = world.MakeSession();
  old.expires_at = world.wall;
  world.model->Start(true, std::move(old), world.now());
  world.Hello();
  EXPECT_THAT(world.control.calls, ElementsAre("connect"));
}

TEST(SessionTest, ASessionTheServerForgotAsksForThePasswordAgain) {
  ClientWorld world;
  world.state.saved = "token";
  world.model->Start(true, world.MakeSession(), world.now());
  world.Hello();
  world.model->OnChannelEnd(Answered(absl::StatusCode::kUnauthenticated, "unknown token"),
                            world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "UNAUTHENTICATED");
  EXPECT_EQ(world.state.saved, "");
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  EXPECT_EQ(world.control.calls.back(), "login alice pw");
}

TEST(SessionTest, ALostChannelComesBackByItselfWithinTheWindow) {
  ClientWorld world;
  world.LogIn();
  world.model->OnChannelEnd(NoAnswer(), world.now());
  const auto retry = world.Shown<out::Retry>()[0];
  EXPECT_EQ(retry.reason, RetryReason::kLost);
  EXPECT_LE(retry.in, 500ms);
  world.Line("/list");
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "UNAVAILABLE");
  world.Advance(retry.in);
  world.Hello();
  EXPECT_EQ(world.control.calls.back(), "attach 4400");
  world.Attached();
  EXPECT_TRUE(world.Shown<out::LoggedIn>()[0].resumed);
}

TEST(SessionTest, TakenOverMeansToldAndNotBackByItself) {
  ClientWorld world;
  world.LogIn();
  world.model->OnChannelEvent(event::Detached{true, false, "attached from 10.0.0.9"}, world.now());
  world.model->OnChannelEnd(Answered(absl::StatusCode::kAborted, "taken over"), world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "ABORTED");
  EXPECT_EQ(world.Shown<out::Error>()[0].message, "attached from 10.0.0.9");
  world.Advance(1h);
  EXPECT_THAT(world.control.calls, IsEmpty());
  EXPECT_EQ(world.state.saved, "token");  // The session lives on; a restart would use it.
}

TEST(SessionTest, LogOutForgetsTheSessionAndOffersTheChoicesAgain) {
  ClientWorld world;
  world.LogIn();
  world.Line("/logout");
  world.model->OnLogout(Done{}, world.now());
  EXPECT_EQ(world.state.saved, "");
  EXPECT_EQ(world.control.token, "");
  EXPECT_EQ(world.Shown<out::LoggedOut>()[0].username, "alice");
  EXPECT_EQ(world.Shown<out::Connected>().size(), 1u);
  world.model->OnChannelEnd(Answered(absl::StatusCode::kUnauthenticated, "logged out"),
                            world.now());
  EXPECT_THAT(world.Shown<out::Error>(), IsEmpty());
}

TEST(SessionTest, LogOutIsToldOnceWhenTheChannelEndsBeforeTheAnswer) {
  ClientWorld world;
  world.LogIn();
  world.Line("/logout");
  world.model->OnChannelEvent(event::Detached{false, true, "logged out"}, world.now());
  world.model->OnChannelEnd(Answered(absl::StatusCode::kUnauthenticated, "logged out"),
                            world.now());
  world.model->OnLogout(Done{}, world.now());
  ASSERT_EQ(world.Shown<out::LoggedOut>().size(), 1u);
  EXPECT_EQ(world.Shown<out::LoggedOut>()[0].username, "alice");
  EXPECT_THAT(world.Shown<out::Error>(), IsEmpty());
}

TEST(SessionTest, AttachedElsewhereKeepsTheSavedSession) {
  ClientWorld world;
  world.LogIn();
  world.model->OnChannelEnd(Answered(absl::StatusCode::kAlreadyExists, "alice is attached"),
                            world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "ALREADY_EXISTS");
  EXPECT_EQ(world.state.saved, "token");
}

TEST(IdentityTest, AnUnknownServerIsRefusedWithoutAPerson) {
  ClientWorld world;
  world.model->Start(false, std::nullopt, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("probe"));
  world.model->OnProbe(std::string("SHA256:x"), world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "SERVER_IDENTITY_UNKNOWN");
  EXPECT_EQ(world.Shown<out::Error>()[0].fingerprint, "SHA256:x");
  EXPECT_EQ(world.model->exit_code(), ExitCode::kIdentity);
  EXPECT_THAT(world.control.calls, ElementsAre("probe"));  // Nothing was sent.
}

TEST(IdentityTest, APersonIsAskedBeforeAnythingIsSent) {
  ClientWorld world({.plain = true, .trust = TrustPolicy::kAsk, .timing = {}});
  world.model->Start(false, std::nullopt, world.now());
  world.model->OnProbe(std::string("SHA256:x"), world.now());
  EXPECT_EQ(world.Shown<out::Prompt>()[0].subject, "SHA256:x");
  EXPECT_THAT(world.control.calls, ElementsAre("probe"));
  world.Line("yes");
  EXPECT_EQ(world.state.trusted, "SHA256:x");
  EXPECT_THAT(world.control.calls, ElementsAre("probe", "pin SHA256:x", "connect"));
}

TEST(IdentityTest, APersonWhoSaysNoLeavesWithNothingSentOrRemembered) {
  ClientWorld world({.plain = true, .trust = TrustPolicy::kAsk, .timing = {}});
  world.model->Start(false, std::nullopt, world.now());
  world.model->OnProbe(std::string("SHA256:x"), world.now());
  world.Line("what?");
  EXPECT_EQ(world.model->exit_code(), ExitCode::kIdentity);
  EXPECT_EQ(world.state.trusted, "");
  EXPECT_THAT(world.control.calls, ElementsAre("probe"));
}

TEST(IdentityTest, AChangedKeyEndsTheProgram) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  CallError error = NoAnswer();
  error.changed_fingerprint = "SHA256:evil";
  world.model->OnHello(error, world.now());
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "SERVER_IDENTITY_CHANGED");
  EXPECT_EQ(world.model->exit_code(), ExitCode::kIdentity);
}

TEST(InputEndTest, WhatWasTypedIsDoneFirst) {
  ClientWorld world;
  world.model->Start(true, world.MakeSession(), world.now());
  world.Line("/list");
  world.model->OnInputEnd(world.now());
  EXPECT_FALSE(world.model->exit_code());
  world.Hello();
  world.Attached();
  EXPECT_FALSE(world.model->exit_code());
  world.model->OnList(std::vector<out::ActiveClient>{}, world.now());
  EXPECT_EQ(world.model->exit_code(), ExitCode::kOk);
}

TEST(InputEndTest, WithoutAServerItIsUnreachable) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.model->OnInputEnd(world.now());
  world.model->OnHello(NoAnswer(), world.now());
  EXPECT_EQ(world.model->exit_code(), ExitCode::kUnreachable);
}

}  // namespace
}  // namespace p2p::client
