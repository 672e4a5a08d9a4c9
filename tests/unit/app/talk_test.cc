// Requests, conversations, broadcasts, limits and penalties.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

AppOptions Plain() { return {.plain = true, .trust = TrustPolicy::kAsk, .timing = {}}; }

TEST(RequestTest, AScriptsRequestIsSentAtOnceByNameOrAddress) {
  ClientWorld world;
  world.LogIn();
  world.Line("/request bob hello");
  EXPECT_THAT(world.control.calls, ElementsAre("request name bob hello"));
  world.model->OnRequest(RequestInfo{"r1", "bob"}, world.now());
  EXPECT_EQ(world.Shown<out::RequestSent>()[0].to, "bob");
  world.Line("/request 10.0.0.7");
  EXPECT_EQ(world.control.calls.back(), "request ip 10.0.0.7 ");
  world.model->OnRequest(RequestInfo{"r2", "carol"}, world.now());
  world.model->OnChannelEvent(event::RequestOutcome{"r1", "bob", "denied"}, world.now());
  EXPECT_EQ(world.Shown<out::RequestOutcome>()[0].outcome, "denied");
}

TEST(RequestTest, APersonIsAskedAboutANameThatIsNotOnTheList) {
  ClientWorld world(Plain());
  world.LogIn();
  world.Line("/request bobb");
  EXPECT_THAT(world.control.calls, ElementsAre("list"));  // A fresh look first.
  world.model->OnList(std::vector<out::ActiveClient>{{"bob", "10.0.0.7"}}, world.now());
  EXPECT_THAT(world.Shown<out::Active>(), IsEmpty());
  ASSERT_EQ(world.Shown<out::Prompt>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Prompt>()[0].field, PromptField::kSendRequestAnyway);
  world.Line("n");
  EXPECT_THAT(world.control.calls, ElementsAre("list"));
  world.Line("/request bob");
  EXPECT_EQ(world.control.calls.back(), "request name bob ");
  world.model->OnRequest(RequestInfo{"r1", "bob"}, world.now());
  world.Line("/request carol");
  world.Line("y");
  EXPECT_EQ(world.control.calls.back(), "request name carol ");
}

TEST(RequestTest, SomebodyWhoJustCameIsFoundWithoutAQuestion) {
  ClientWorld world(Plain());
  world.LogIn();
  world.Line("1");
  world.model->OnList(std::vector<out::ActiveClient>{{"alice", "10.0.0.1"}}, world.now());
  world.Advance(3s);
  world.Line("/request bob");
  world.model->OnList(std::vector<out::ActiveClient>{{"bob", "10.0.0.7"}}, world.now());
  EXPECT_THAT(world.Shown<out::Prompt>(), IsEmpty());
  EXPECT_EQ(world.control.calls.back(), "request name bob ");
}

TEST(RequestTest, APersonsSlipsNeverReachTheServer) {
  ClientWorld world(Plain());
  world.LogIn();
  for (const char* target : {"10.0.0", "b@b", "Alice"}) {
    world.Line(absl::StrCat("/request ", target));
    EXPECT_EQ(world.Shown<out::Error>().back().code, "INVALID_ARGUMENT") << target;
  }
  EXPECT_THAT(world.control.calls, IsEmpty());
}

TEST(RequestTest, ApprovalLeadsToAnIntroductionThatIsAcknowledgedOnlyWhenItIsGood) {
  ClientWorld world;
  world.LogIn();
  world.model->OnChannelEvent(event::PeerRequest{"r7777", "bob", "10.0.0.7", "hi", 60s},
                              world.now());
  world.Line("/approve r7777");
  EXPECT_THAT(world.control.calls, ElementsAre("approve r7777"));
  world.peers.introduce = absl::InvalidArgumentError("altered");
  world.model->OnChannelEvent(event::Introduction{"r7777", {}, {}, false}, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("approve r7777"));
  world.peers.introduce = absl::OkStatus();
  world.model->OnChannelEvent(event::Introduction{"r7777", {}, {}, false}, world.now());
  EXPECT_EQ(world.control.calls.back(), "ack-intro r7777");
}

TEST(RequestTest, TypingYesInThePlainFaceApprovesTheWaitingRequest) {
  ClientWorld world(Plain());
  world.LogIn();
  world.model->OnChannelEvent(event::PeerRequest{"r1", "bob", "10.0.0.7", "", 60s}, world.now());
  world.Line("y");
  EXPECT_THAT(world.control.calls, ElementsAre("approve r1"));
  world.Advance(61s);
  world.Line("/deny r1");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "NOT_FOUND");
}

TEST(ChatTest, TextGoesToTheConversationInViewAndNeverWaitsForTheServer) {
  ClientWorld world(Plain());
  world.LogIn();
  world.model->OnPeerOutput(out::ChatOpen{"bob", "dialled 10.0.0.7:4400", false, "unverified"},
                            world.now());
  world.model->OnChannelEnd(NoAnswer(), world.now());  // The server is gone.
  world.Line("hello bob");
  EXPECT_THAT(world.peers.sent, ElementsAre("hello bob"));
  world.model->OnPeerOutput(out::ChatClosed{"bob", "bye"}, world.now());
  world.Line("hello?");
  EXPECT_THAT(world.peers.sent, ElementsAre("hello bob"));
}

out::ChatOpen Open(const std::string& peer, bool reopened = false) {
  return {peer, "dialled 10.0.0.7:4400", reopened, "unverified"};
}

// While the connection is away a line is still meant for him, whatever else happens and whatever
// word it is.
TEST(ChatTest, AConversationThatLosesItsConnectionStaysInView) {
  ClientWorld world(Plain());
  world.LogIn();
  world.model->OnPeerOutput(Open("bob"), world.now());
  world.model->OnPeerOutput(out::ChatClosed{"bob", "the connection broke", false}, world.now());
  world.model->OnPeerOutput(out::ChatClosed{"bob", "no direct connection", false}, world.now());
  world.model->OnPeerOutput(Open("carol", true), world.now());
  world.model->OnChannelEvent(event::PeerRequest{"r1", "dave", "10.0.0.7", "", 60s}, world.now());
  for (const char* line : {"our secret", "y", "quit", "1"}) world.Line(line);
  EXPECT_THAT(world.peers.sent, ElementsAre("our secret", "y", "quit", "1"));
  EXPECT_THAT(world.control.calls, IsEmpty());
  EXPECT_FALSE(world.model->exit_code());
  EXPECT_EQ(world.model->focus(), "bob");
}

// What is half typed to one person must not reach another because that one's connection is back.
TEST(ChatTest, WhoIsConnectedAgainDoesNotTakeThePlaceOfWhoHungUp) {
  ClientWorld world(Plain());
  world.LogIn();
  world.model->OnPeerOutput(Open("carol", true), world.now());
  EXPECT_EQ(world.model->focus(), "carol") << "the first one after the start";
  world.model->OnPeerOutput(out::ChatClosed{"carol", "the peer hung up"}, world.now());
  world.model->OnPeerOutput(Open("bob", true), world.now());
  world.Line("carol, I love you");
  EXPECT_THAT(world.peers.sent, IsEmpty());
  world.model->OnPeerOutput(Open("bob"), world.now());
  EXPECT_EQ(world.model->focus(), "bob") << "a conversation that was just agreed on";
}

TEST(ChatTest, WithoutAConversationTheErrorSaysHowToGetOne) {
  ClientWorld world;
  world.LogIn();
  world.Line("/msg carol hi");
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "NO_CONVERSATION");
  EXPECT_NE(world.Shown<out::Error>()[0].message.find("/request carol"), std::string::npos);
}

TEST(ChatTest, AHangUpFailsForTheReasonThatIsTrue) {
  ClientWorld world;
  world.LogIn();
  world.peers.hang_up = absl::NotFoundError("nobody");
  world.Line("/hangup bob");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "NO_CONVERSATION");
  world.peers.hang_up = absl::ResourceExhaustedError("no space left");
  world.Line("/hangup bob");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "RESOURCE_EXHAUSTED");
  EXPECT_EQ(world.Shown<out::Error>().back().message, "no space left");
}

TEST(BroadcastTest, ALostAnswerIsRepeatedWithTheSameKey) {
  ClientWorld world;
  world.LogIn();
  world.Line("/broadcast tea");
  world.model->OnChannelEnd(NoAnswer(), world.now());
  world.Advance(1s);
  world.Hello();
  world.Attached();
  ASSERT_EQ(world.control.keys.size(), 2u);
  EXPECT_EQ(world.control.keys[0], world.control.keys[1]);
  world.model->OnBroadcast(BroadcastInfo{"b1", world.wall}, world.now());
  EXPECT_EQ(world.Shown<out::BroadcastSent>()[0].id, "b1");
  world.Line("/broadcast coffee");
  EXPECT_NE(world.control.keys[2], world.control.keys[1]);
}

TEST(BroadcastTest, AServerThatIsNotThereForAMomentIsAskedAgainWithTheSameKey) {
  ClientWorld world;
  world.LogIn();
  world.Line("/broadcast tea");
  CallError gone;
  gone.code = absl::StatusCode::kUnavailable;
  gone.message = "Socket closed";
  world.model->OnBroadcast(gone, world.now());
  EXPECT_TRUE(world.Shown<out::Error>().empty());
  world.Advance(2s);
  ASSERT_EQ(world.control.keys.size(), 2u);
  EXPECT_EQ(world.control.keys[0], world.control.keys[1]);
}

TEST(BroadcastTest, ADeadlineOnALivingChannelIsRepeatedToo) {
  ClientWorld world;
  world.LogIn();
  world.Line("/broadcast tea");
  world.model->OnBroadcast(NoAnswer(), world.now());
  EXPECT_THAT(world.Shown<out::Error>(), IsEmpty());
  world.Advance(3s);
  ASSERT_EQ(world.control.keys.size(), 2u);
  EXPECT_EQ(world.control.keys[0], world.control.keys[1]);
}

TEST(BroadcastTest, AHeldOneIsDroppedAfterItsLife) {
  ClientWorld world;
  world.LogIn();
  world.model->OnChannelEnd(NoAnswer(), world.now());
  world.Line("/broadcast tea");
  for (int i = 0; i < 400 && world.Shown<out::Error>().empty(); ++i) {
    world.Advance(30s);
    if (world.control.calls.back() == "connect") world.model->OnHello(NoAnswer(), world.now());
  }
  ASSERT_EQ(world.Shown<out::Error>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "DEADLINE_EXCEEDED");
  world.Hello();
  world.Attached();
  EXPECT_THAT(world.control.keys, IsEmpty());
}

TEST(BroadcastTest, OneFromBeforeTheFirstConnectionIsDroppedAfterItsLifeToo) {
  ClientWorld world;
  world.model->Start(true, world.MakeSession(), world.now());
  world.model->OnHello(NoAnswer(), world.now());
  world.model->OnCommand(cmd::Broadcast{"tea", 60}, world.now(), 7);
  world.model->OnCommand(cmd::Broadcast{"dinner", 600}, world.now());
  const MonoTime start = world.mono;
  while (world.Shown<out::Error>().empty() && world.mono - start < 10min) {
    world.Advance(1s);
    if (world.control.calls.back() == "connect") world.model->OnHello(NoAnswer(), world.now());
  }
  ASSERT_EQ(world.Shown<out::Error>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "DEADLINE_EXCEEDED");
  EXPECT_EQ(world.mono - start, 60s);
  world.Advance(9s);
  world.model->OnHello(NoAnswer(), world.now());
  world.Advance(90s);
  world.Hello();
  world.Attached();
  EXPECT_EQ(world.control.calls.back(), "broadcast dinner for 600");
  EXPECT_EQ(world.control.keys.size(), 1u);
}

TEST(BroadcastTest, OneWhoseLifeEndsAsTheServerAnswersIsNotSent) {
  ClientWorld world;
  world.model->Start(true, world.MakeSession(), world.now());
  world.model->OnCommand(cmd::Broadcast{"tea", 60}, world.now());
  world.MoveTo(world.mono + 61s);  // The timer has not run yet.
  world.Hello();
  world.Attached();
  EXPECT_THAT(world.control.keys, IsEmpty());
  ASSERT_EQ(world.Shown<out::Error>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "DEADLINE_EXCEEDED");
}

TEST(BroadcastTest, APersonIsAskedWhetherToKeepOneWithoutAServer) {
  ClientWorld world(Plain());
  world.LogIn();
  world.model->OnChannelEnd(NoAnswer(), world.now());
  world.Line("/broadcast tea");
  EXPECT_EQ(world.Shown<out::Prompt>()[0].field, PromptField::kKeepBroadcast);
  world.Line("y");
  world.Advance(1s);
  world.Hello();
  world.Attached();
  EXPECT_EQ(world.control.calls.back(), "broadcast tea");
}

TEST(IdentityTest, IsShownMarkedAndRefusedWithAReason) {
  ClientWorld world;
  world.LogIn();
  world.Line("/verify bob");
  ASSERT_EQ(world.Shown<out::Identity>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Identity>()[0].state, "unverified");
  world.Line("/verify bob ok");
  EXPECT_EQ(world.Shown<out::Identity>()[1].state, "verified");
  world.Line("/verify nobody");
  world.Line("/trust bob");
  world.Line("/trust");
  const auto errors = world.Shown<out::Error>();
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].code, "NOT_FOUND");
  EXPECT_EQ(errors[1].code, "FAILED_PRECONDITION");
  EXPECT_EQ(errors[2].code, "BAD_COMMAND");
}

TEST(BroadcastTest, APersonIsToldHowFarItGotWhenThatChanges) {
  ClientWorld world(Plain());
  world.LogIn();
  world.Line("/broadcast tea");
  world.model->OnBroadcast(BroadcastInfo{"b1", world.wall + 30min}, world.now());
  EXPECT_TRUE(world.Shown<out::BroadcastProgress>().empty());
  const auto tell = [&](uint32_t delivered) {
    EXPECT_EQ(world.control.calls.back(), "status b1");
    out::BroadcastStatus status;
    status.id = "b1";
    status.due = 2;
    status.delivered = delivered;
    world.model->OnBroadcastStatus(status, world.now());
  };
  world.Advance(1s);
  tell(1);
  ASSERT_EQ(world.Shown<out::BroadcastProgress>().size(), 1u);
  EXPECT_EQ(world.Shown<out::BroadcastProgress>()[0].delivered, 1u);
  EXPECT_TRUE(world.Shown<out::BroadcastStatus>().empty()) << "nobody asked for all of it";
  world.Advance(1s);
  tell(1);
  EXPECT_EQ(world.Shown<out::BroadcastProgress>().size(), 1u) << "no news";
  // Asked for, it is shown.
  world.Line("/status");
  EXPECT_EQ(world.control.calls.back(), "status b1");
  out::BroadcastStatus whole;
  whole.id = "b1";
  world.model->OnBroadcastStatus(whole, world.now());
  EXPECT_EQ(world.Shown<out::BroadcastStatus>().size(), 1u);
  world.Line("/revoke");
  EXPECT_EQ(world.control.calls.back(), "revoke b1");
}

// Its answer was lost and given again later, and this machine's clock is an hour behind.
TEST(BroadcastTest, TheTimeLeftIsUntilTheServersEndOfIt) {
  ClientWorld world(Plain());
  world.server_says = world.wall + 1h;
  world.LogIn();
  world.Line("/broadcast tea");
  const WallTime expires_at = world.server_says + 30min;
  world.Advance(10min);
  world.model->OnBroadcast(BroadcastInfo{"b1", expires_at}, world.now());
  world.Advance(1s);
  out::BroadcastStatus status;
  status.id = "b1";
  status.due = 2;
  status.delivered = 1;
  world.model->OnBroadcastStatus(status, world.now());
  ASSERT_EQ(world.Shown<out::BroadcastProgress>().size(), 1u);
  EXPECT_EQ(world.Shown<out::BroadcastProgress>()[0].left, 20min - 1s);
}

TEST(BroadcastTest, TheListSaysForHowLongNewcomersWouldGetABroadcast) {
  ClientWorld world;
  world.broadcast_retention = 15min;
  world.LogIn();
  world.Line("/list");
  world.model->OnList(std::vector<out::ActiveClient>{}, world.now());
  ASSERT_EQ(world.Shown<out::Active>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Active>()[0].broadcast_life, 15min);
}

// As `peer-client broadcast` runs it: alone, and the connection breaks before the answer.
TEST(BroadcastTest, AOneShotWhoseAnswerIsLostAsksAgainWithTheSameKey) {
  AppOptions options;
  options.one_shot = true;
  ClientWorld world(options);
  world.LogIn();
  world.model->OnCommand(cmd::Broadcast{"tea", 60}, world.now());
  world.model->OnChannelEnd(NoAnswer(), world.now());
  EXPECT_TRUE(world.Shown<out::Error>().empty());
  world.Advance(1s);
  world.Hello();
  world.Attached();
  ASSERT_EQ(world.control.keys.size(), 2u);
  EXPECT_EQ(world.control.keys[0], world.control.keys[1]);
  EXPECT_EQ(world.control.calls.back(), "broadcast tea for 60");
  world.model->OnBroadcast(BroadcastInfo{"b1", world.wall + 60s}, world.now());
  ASSERT_EQ(world.Shown<out::BroadcastSent>().size(), 1u);
  world.Advance(10s);
  EXPECT_EQ(world.control.keys.size(), 2u);
}

TEST(BroadcastTest, StatusAndRevokeNeedABroadcast) {
  ClientWorld world(Plain());
  world.LogIn();
  world.Line("/revoke");
  ASSERT_EQ(world.Shown<out::Error>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "INVALID_ARGUMENT");
}

TEST(BroadcastTest, FromTheChannelItIsAcknowledgedOnlyWhenJournalled) {
  ClientWorld world;
  world.LogIn();
  world.broadcasts.verdict = absl::UnavailableError("disk");
  world.model->OnChannelEvent(event::Broadcast{"b1", {}, {}, "x"}, world.now());
  EXPECT_THAT(world.control.calls, IsEmpty());
  world.broadcasts.verdict = absl::OkStatus();
  world.model->OnChannelEvent(event::Broadcast{"b1", {}, {}, "x"}, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("ack-broadcast b1"));
  world.control.calls.clear();
  world.broadcasts.via = BroadcastVia::kUdp;  // It was shown before the channel brought it.
  world.model->OnChannelEvent(event::Broadcast{"b1", {}, {}, "x"}, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("ack-broadcast b1 udp"));
}

TEST(BroadcastTest, OneThatWasTakenBackIsAcknowledgedOnlyByWhoHasIt) {
  ClientWorld world;
  world.LogIn();
  world.model->OnChannelEvent(event::BroadcastRevoked{"b1"}, world.now());
  EXPECT_THAT(world.control.calls, IsEmpty());
  world.broadcasts.has = true;
  world.broadcasts.via = BroadcastVia::kChannel;
  world.model->OnChannelEvent(event::BroadcastRevoked{"b1"}, world.now());
  EXPECT_THAT(world.control.calls, ElementsAre("ack-broadcast b1 channel"));
}

TEST(LimitTest, ALimitedCallWaitsAsLongAsToldAndRepeatsByItself) {
  ClientWorld world;
  world.LogIn();
  world.Line("/list");
  auto limited = Answered(absl::StatusCode::kResourceExhausted, "slow down");
  limited.retry_after = 7s;
  world.model->OnList(limited, world.now());
  EXPECT_EQ(world.Shown<out::Retry>()[0].reason, RetryReason::kLimited);
  EXPECT_EQ(world.Shown<out::Retry>()[0].in, 7s);
  world.Advance(6900ms);
  EXPECT_EQ(world.control.calls.size(), 1u);
  world.Advance(200ms);
  EXPECT_EQ(world.control.calls.size(), 2u);
}

TEST(LimitTest, ALimitedLookAtTheListDelaysTheRequestBehindIt) {
  ClientWorld world(Plain());
  world.LogIn();
  world.Line("/request bob");
  EXPECT_THAT(world.control.calls, ElementsAre("list"));
  auto limited = Answered(absl::StatusCode::kResourceExhausted, "slow down");
  limited.retry_after = 7s;
  world.model->OnList(limited, world.now());
  EXPECT_THAT(world.Shown<out::Prompt>(), IsEmpty());  // The list is not known to be empty.
  ASSERT_EQ(world.Shown<out::Retry>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Retry>()[0].reason, RetryReason::kLimited);
  EXPECT_THAT(world.control.calls, ElementsAre("list"));
  world.Advance(7100ms);
  EXPECT_THAT(world.control.calls, ElementsAre("list", "list"));
  world.model->OnList(std::vector<out::ActiveClient>{{"bob", "10.0.0.7"}}, world.now());
  EXPECT_EQ(world.control.calls.back(), "request name bob ");
}

TEST(LimitTest, EveryCallThatAPersonMakesIsRepeated) {
  ClientWorld world;
  world.LogIn();
  auto limited = Answered(absl::StatusCode::kResourceExhausted, "slow down");
  limited.retry_after = 1s;
  const auto repeats = [&](const char* line, auto answer) {
    world.control.calls.clear();
    world.Line(line);
    ASSERT_EQ(world.control.calls.size(), 1u) << line;
    answer();
    world.Advance(1100ms);
    ASSERT_EQ(world.control.calls.size(), 2u) << line;
    EXPECT_EQ(world.control.calls[0], world.control.calls[1]);
    EXPECT_EQ(world.Shown<out::Retry>().back().reason, RetryReason::kLimited);
  };
  repeats("/request bob", [&] { world.model->OnRequest(limited, world.now()); });
  world.model->OnRequest(RequestInfo{"r1", "bob"}, world.now());
  repeats("/broadcast tea", [&] { world.model->OnBroadcast(limited, world.now()); });
  EXPECT_EQ(world.control.keys[0], world.control.keys[1]);
  world.model->OnBroadcast(BroadcastInfo{"b1", world.wall + 30s}, world.now());
  repeats("/logout", [&] { world.model->OnLogout(limited, world.now()); });
  world.model->OnLogout(Done{}, world.now());
  world.model->OnCommand(cmd::Signup{"bob", SecretText("pw"), SecretText("pw")}, world.now());
  world.control.calls.clear();
  world.model->OnSignup(limited, world.now());
  world.Advance(1100ms);
  EXPECT_THAT(world.control.calls, ElementsAre("signup bob pw pw"));
}

TEST(PenaltyTest, ItIsToldOnceAndTheProcessStays) {
  ClientWorld world;
  world.LogIn();
  world.Line("/request nobody");
  CallError refused = Answered(absl::StatusCode::kPermissionDenied, "no such user");
  refused.penalty = Penalty{"no such user", world.wall + 60s, "log in again"};
  world.model->OnChannelEvent(event::PenaltyNotice{*refused.penalty}, world.now());
  world.model->OnRequest(refused, world.now());
  world.model->OnChannelEnd(refused, world.now());
  ASSERT_EQ(world.Shown<out::Penalised>().size(), 1u);
  EXPECT_EQ(world.Shown<out::Penalised>()[0].until, world.wall + 60s);
  EXPECT_THAT(world.Shown<out::Error>(), IsEmpty());
  EXPECT_EQ(world.state.saved, "");
  // A log-in typed at once waits for the new connection.
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  world.Advance(1s);
  EXPECT_EQ(world.control.calls.back(), "connect");
  world.Hello();
  EXPECT_EQ(world.control.calls.back(), "login alice pw");
}

TEST(PenaltyTest, TheCoolDownIsWaitedForAndANewLogInReplacesTheWaitingOne) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.Hello();
  CallError cooling = Answered(absl::StatusCode::kPermissionDenied, "cooling down");
  cooling.penalty = Penalty{"cooling down", world.wall + 60s, ""};
  world.model->OnCommand(cmd::Login{"alice", SecretText("first")}, world.now());
  world.model->OnLogin(cooling, world.now());
  EXPECT_EQ(world.Shown<out::Retry>()[0].in, 60s);
  world.model->OnCommand(cmd::Login{"alice", SecretText("second")}, world.now());
  world.model->OnLogin(cooling, world.now());
  world.control.calls.clear();
  world.Advance(61s);
  EXPECT_THAT(world.control.calls, ElementsAre("login alice second"));
}

TEST(PenaltyTest, TheServersWordCountsMoreThanTheClock) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.Hello();
  CallError cooling = Answered(absl::StatusCode::kPermissionDenied, "cooling down");
  cooling.penalty = Penalty{"cooling down", world.wall + 12h, ""};  // Our clock is behind.
  cooling.retry_after = 60s;
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  world.model->OnLogin(cooling, world.now());
  EXPECT_EQ(world.Shown<out::Retry>()[0].in, 60s);
}

TEST(PenaltyTest, AServerThatOnlySaysWhenIsUnderstoodByItsOwnClock) {
  ClientWorld world;
  world.model->Start(true, world.MakeSession(), world.now());
  world.Hello();
  event::Attached attached;
  attached.server_time = world.wall + 12h;
  world.model->OnChannelEvent(attached, world.now());
  world.model->OnChannelEvent(event::PenaltyNotice{{"too fast", std::nullopt, ""}}, world.now());
  world.Advance(1s);
  world.Hello();
  CallError cooling = Answered(absl::StatusCode::kPermissionDenied, "cooling down");
  cooling.penalty = Penalty{"cooling down", world.wall + 12h + 60s, ""};
  world.model->OnCommand(cmd::Login{"alice", SecretText("pw")}, world.now());
  world.model->OnLogin(cooling, world.now());
  EXPECT_EQ(world.Shown<out::Retry>().back().in, 60s);
}

TEST(CommandTest, UnknownOnesAreAnsweredAtOnce) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.Line("/nonsense");
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "BAD_COMMAND");
  world.Line("/msg bob \xff");
  EXPECT_EQ(world.Shown<out::Error>()[1].code, "BAD_COMMAND");
  EXPECT_THAT(world.peers.sent, IsEmpty());
  world.Line("/quit");
  EXPECT_EQ(world.model->exit_code(), ExitCode::kOk);
}

// They work on the conversations from the disk: nothing is held until there is a server.
TEST(CommandTest, FilesAndHistoryNeedNoServer) {
  ClientWorld world;
  world.model->Start(true, std::nullopt, world.now());
  world.Line("/sendfile bob /tmp/with a space");
  world.Line("/accept-file 1234");
  world.Line("/pause-file");
  world.Line("/resume-file 1234");
  world.Line("/decline-file 1234");
  EXPECT_THAT(world.files.calls, ElementsAre("send bob /tmp/with a space", "accept 1234", "pause ",
                                             "resume 1234", "cancel 1234"));
  world.Line("/sendfile carol /tmp/x");
  EXPECT_EQ(world.Shown<out::Error>()[0].code, "NO_CONVERSATION");
  world.files.answer = absl::NotFoundError("no such file");
  world.Line("/accept-file");
  EXPECT_EQ(world.Shown<out::Error>()[1].code, "NOT_FOUND");
  for (const char* line : {"/history", "/history 5", "/history bob", "/history bob 7"}) {
    world.Line(line);
  }
  world.Line("/search two words");
  EXPECT_THAT(world.history.calls, ElementsAre("history  50", "history  5", "history bob 50",
                                               "history bob 7", "search two words"));
  for (const char* line :
       {"/history bob seven", "/history 0", "/search", "/export", "/sendfile bob"}) {
    world.Line(line);
    EXPECT_EQ(world.Shown<out::Error>().back().code, "BAD_COMMAND") << line;
  }
  world.Line("/export /tmp/x");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace p2p::client
