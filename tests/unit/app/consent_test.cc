// Whom a user hears, for how long, and what he sees of requests, outbox and path.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

void Ask(ClientWorld& world, const std::string& id, const std::string& from) {
  world.model->OnChannelEvent(event::PeerRequest{id, from, "10.0.0.7", "hi", 60s}, world.now());
}

TEST(ConsentTest, ABlockedUsersRequestIsNotShownButCounted) {
  ClientWorld world;
  world.LogIn();
  world.Line("/block Bob");
  ASSERT_THAT(world.Shown<out::Blocked>(), SizeIs(1));
  Ask(world, "r1111", "bob");
  Ask(world, "r2222", "BOB");
  EXPECT_THAT(world.Shown<out::PeerRequest>(), IsEmpty());
  world.Line("/approve bob");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "NOT_FOUND");
  EXPECT_THAT(world.control.calls, IsEmpty()) << "neither approved nor denied: left to expire";
  world.Line("/blocked");
  const auto blocked = world.Shown<out::Blocked>().back().entries;
  ASSERT_THAT(blocked, SizeIs(1));
  EXPECT_EQ(blocked[0].peer, "Bob");
  EXPECT_EQ(blocked[0].ignored, 2u);
  world.Line("/unblock bob");
  world.peers.blocked.clear();
  Ask(world, "r3333", "bob");
  EXPECT_THAT(world.Shown<out::PeerRequest>(), SizeIs(1));
}

TEST(ConsentTest, OnlyNamesAreBlocked) {
  ClientWorld world;
  world.LogIn();
  for (const char* line : {"/block", "/block 10.0.0.7", "/block b@b"}) {
    world.Line(line);
    EXPECT_THAT(world.peers.blocked, IsEmpty()) << line;
  }
  EXPECT_THAT(world.Shown<out::Error>(), SizeIs(3));
}

TEST(ConsentTest, AConversationMayBeGivenATime) {
  ClientWorld world;
  world.LogIn();
  const std::pair<const char*, Duration> lines[] = {
      {"/accept bob 30m", 30min}, {"/accept 90s", 90s}, {"/approve bob", 0s}, {"/approve", 0s}};
  int asked = 0;
  for (const auto& [line, limit] : lines) {
    const std::string id = absl::StrCat("abcd", ++asked);
    Ask(world, id, "bob");
    world.Line(line);
    ASSERT_THAT(world.peers.limits, SizeIs(1)) << line;
    EXPECT_EQ(world.peers.limits[0], limit) << line;
    EXPECT_THAT(world.control.calls, ElementsAre("approve " + id)) << line;
    world.peers.limits.clear();
    world.control.calls.clear();
    world.model->OnChannelEvent(event::RequestOutcome{id, "bob", "approved"}, world.now());
  }
  world.Line("/accept bob soon");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "BAD_COMMAND");
}

TEST(ConsentTest, NobodyIsAcceptedByItselfUnlessTheUserSaidSo) {
  ClientWorld stranger;
  stranger.LogIn();
  Ask(stranger, "r1111", "bob");
  EXPECT_THAT(stranger.control.calls, IsEmpty());
  AppOptions options;
  options.auto_accept = {"Bob"};
  ClientWorld world(options);
  world.LogIn();
  Ask(world, "r1111", "bob");
  Ask(world, "r2222", "carol");
  EXPECT_THAT(world.control.calls, ElementsAre("approve r1111"));
  const auto shown = world.Shown<out::PeerRequest>();
  ASSERT_THAT(shown, SizeIs(2));
  EXPECT_TRUE(shown[0].automatic);
  EXPECT_FALSE(shown[1].automatic);
  world.Line("/block bob");  // Wins over the list.
  Ask(world, "r3333", "bob");
  EXPECT_THAT(world.control.calls, ElementsAre("approve r1111"));
}

TEST(ConsentTest, OpenRequestsAreListedWithTheirAgeAndWhatIsLeft) {
  ClientWorld world;
  world.LogIn();
  Ask(world, "r1111", "bob");
  world.Advance(10s);
  world.Line("/request carol");
  world.model->OnRequest(RequestInfo{"r2222", "carol"}, world.now());
  world.Advance(5s);
  world.Line("/requests");
  auto requests = world.Shown<out::Requests>().back();
  ASSERT_THAT(requests.incoming, SizeIs(1));
  EXPECT_EQ(requests.incoming[0].peer, "bob");
  EXPECT_EQ(requests.incoming[0].reason, "hi");
  EXPECT_EQ(requests.incoming[0].age, 15s);
  EXPECT_EQ(requests.incoming[0].left, 45s);
  ASSERT_THAT(requests.outgoing, SizeIs(1));
  EXPECT_EQ(requests.outgoing[0].left, 55s);
  world.Advance(46s);  // What nobody answered in time is gone, also without word of the server.
  world.Line("/requests");
  requests = world.Shown<out::Requests>().back();
  EXPECT_THAT(requests.incoming, IsEmpty());
  EXPECT_THAT(requests.outgoing, SizeIs(1));
}

// A server that crashed, or a channel that took the news with it -----------------------------

struct LostChannel : ClientWorld {
  explicit LostChannel(AppOptions app_options = {}) : ClientWorld(std::move(app_options)) {
    LogIn();
  }
  void SendRequest(const std::string& id, const std::string& to) {
    Line("/request " + to);
    model->OnRequest(RequestInfo{id, to}, now());
  }
  void Lose() {
    model->OnChannelEnd(NoAnswer(), now());
    control.calls.clear();
  }
  void Return() {
    Advance(1s);
    Hello();
    Attached();
  }
  void Status(Outcome<RequestStatusInfo> answer) { model->OnRequestStatus(answer, now()); }
  void Outcomes(std::vector<std::string> expected) {
    std::vector<std::string> seen;
    for (const auto& o : Shown<out::RequestOutcome>()) {
      seen.push_back(absl::StrCat(o.request_id, " ", o.peer, " ", o.outcome));
    }
    EXPECT_EQ(seen, expected);
  }
};

CallError Gone() { return Answered(absl::StatusCode::kNotFound, "there is no such request"); }

TEST(LostChannelTest, WhatTheServerForgotEndsAsUnavailableOnceInBothDirections) {
  LostChannel world;
  Ask(world, "r1111", "bob");
  world.SendRequest("r2222", "carol");
  world.Lose();
  world.Line("/requests");
  EXPECT_THAT(world.Shown<out::Requests>().back().incoming, SizeIs(1));
  EXPECT_THAT(world.Shown<out::Requests>().back().outgoing, SizeIs(1));
  world.Return();
  EXPECT_EQ(world.control.calls.back(), "request-status r1111") << "one after the other";
  world.Status(Gone());
  EXPECT_EQ(world.control.calls.back(), "request-status r2222");
  world.Status(Gone());
  world.Outcomes({"r1111 bob unavailable", "r2222 carol unavailable"});
  world.model->OnChannelEvent(event::RequestOutcome{"r2222", "carol", "unavailable"}, world.now());
  world.Lose();
  world.Return();
  EXPECT_THAT(world.control.calls, Not(Contains(StartsWith("request-status"))));
  world.Outcomes({"r1111 bob unavailable", "r2222 carol unavailable"});
  world.Line("/requests");
  EXPECT_THAT(world.Shown<out::Requests>().back().incoming, IsEmpty());
  EXPECT_THAT(world.Shown<out::Requests>().back().outgoing, IsEmpty());
}

TEST(LostChannelTest, WhatWasDecidedMeanwhileIsToldOnceByWhicheverWayItComesFirst) {
  LostChannel world;
  world.SendRequest("r1111", "bob");
  world.SendRequest("r2222", "carol");
  world.Lose();
  world.Return();
  world.Status(RequestStatusInfo{"denied"});
  world.model->OnChannelEvent(event::RequestOutcome{"r1111", "bob", "denied"}, world.now());
  world.model->OnChannelEvent(event::RequestOutcome{"r2222", "carol", "expired"}, world.now());
  world.Status(RequestStatusInfo{"expired"});
  world.Outcomes({"r1111 bob denied", "r2222 carol expired"});
}

TEST(LostChannelTest, WhatStillWaitsGoesOnAndIsNotShownAgain) {
  LostChannel world;
  Ask(world, "r1111", "bob");
  world.SendRequest("r2222", "carol");
  world.Lose();
  world.Return();
  Ask(world, "r1111", "bob");  // The server shows what is pending at each attach.
  EXPECT_THAT(world.Shown<out::PeerRequest>(), SizeIs(1));
  world.Status(RequestStatusInfo{"pending"});
  world.Status(RequestStatusInfo{"pending"});
  world.Outcomes({});
  world.Line("/approve bob");
  EXPECT_EQ(world.control.calls.back(), "approve r1111");
  world.model->OnChannelEvent(event::RequestOutcome{"r2222", "carol", "approved"}, world.now());
  world.Outcomes({"r2222 carol approved"});
}

// The answer went into the channel that broke. Consent is consent: nobody is asked twice.
TEST(LostChannelTest, AnAnswerThatDidNotGetThroughIsGivenAgain) {
  AppOptions options;
  options.auto_accept = {"dave"};
  LostChannel world(options);
  Ask(world, "r1111", "bob");
  Ask(world, "r2222", "carol");
  Ask(world, "r3333", "dave");
  world.Line("/accept bob 30m");
  world.Line("/deny carol");
  world.Lose();
  world.Return();
  world.control.calls.clear();
  world.peers.limits.clear();
  Ask(world, "r1111", "bob");
  Ask(world, "r2222", "carol");
  Ask(world, "r3333", "dave");
  EXPECT_THAT(world.control.calls, ElementsAre("approve r1111", "deny r2222", "approve r3333"));
  EXPECT_THAT(world.peers.limits, ElementsAre(30min, 0s));
}

TEST(LostChannelTest, AQuestionWithoutAnAnswerIsAskedAgain) {
  LostChannel world;
  world.SendRequest("r1111", "bob");
  world.Lose();
  world.Return();
  auto limited = Answered(absl::StatusCode::kResourceExhausted, "slow down");
  limited.retry_after = 7s;
  world.control.calls.clear();
  world.Status(limited);
  world.Advance(6900ms);
  EXPECT_THAT(world.control.calls, IsEmpty());
  world.Advance(200ms);
  EXPECT_THAT(world.control.calls, ElementsAre("request-status r1111"));
  world.Status(NoAnswer());
  world.Advance(3s);
  world.Status(Gone());
  world.Outcomes({"r1111 bob unavailable"});
}

// The server's two ways to this client are not in step.
TEST(LostChannelTest, AnOutcomeBeforeTheCallsAnswerLeavesNoGhost) {
  ClientWorld world;
  world.LogIn();
  world.Line("/request bob");
  world.model->OnChannelEvent(event::RequestOutcome{"r1111", "bob", "unavailable"}, world.now());
  world.model->OnRequest(RequestInfo{"r1111", "bob"}, world.now());
  EXPECT_THAT(world.Shown<out::RequestSent>(), SizeIs(1)) << "says which request that was";
  EXPECT_THAT(world.Shown<out::RequestOutcome>(), SizeIs(1));
  world.Line("/requests");
  EXPECT_THAT(world.Shown<out::Requests>().back().outgoing, IsEmpty());
}

TEST(LostChannelTest, WithTheSessionTheRequestsAreGone) {
  LostChannel world;
  Ask(world, "r1111", "bob");
  world.Line("/logout");
  world.model->OnLogout(Done{}, world.now());
  world.Line("/requests");
  EXPECT_THAT(world.Shown<out::Requests>().back().incoming, IsEmpty());
}

TEST(ConsentTest, PathAndOutboxAreShownAlsoWithoutTheServer) {
  ClientWorld world;
  world.LogIn();
  world.Line("/path bob");
  EXPECT_THAT(world.Shown<out::Path>().back().tried,
              ElementsAre("10.0.0.7:4400: Connection refused"));
  world.Line("/path carol");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "NOT_FOUND");
  world.Line("/path");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "BAD_COMMAND");
  world.Line("/msg bob hello");
  world.Line("/outbox");
  ASSERT_THAT(world.Shown<out::Outbox>().back().entries, SizeIs(1));
  EXPECT_EQ(world.Shown<out::Outbox>().back().entries[0].text, "hello");
}

// Both sides may have another address: the server knows where they are now.
TEST(RefindTest, WhoLostAPeerAsksTheServerWhereHeIsAndLessOftenAfterAWhile) {
  ClientWorld world;
  world.LogIn();
  world.peers.waiting = true;
  world.model->OnPeerOutput(out::ChatClosed{"bob", "the connection broke", false}, world.now());
  int lists = 0;
  const MonoTime end = world.mono + 120s;
  while (world.mono < end) {
    world.Advance(1s);
    if (world.control.calls.empty()) continue;
    EXPECT_THAT(world.control.calls, ElementsAre("list"));
    world.control.calls.clear();
    world.model->OnList(std::vector<out::ActiveClient>{{"bob", "10.0.0.9"}}, world.now());
    ++lists;
  }
  EXPECT_GE(lists, 4);
  EXPECT_LE(lists, 8);
  EXPECT_EQ(world.peers.found.front(), "bob 10.0.0.9");
  EXPECT_THAT(world.Shown<out::Active>(), IsEmpty()) << "nobody asked to see it";
  world.peers.waiting = false;
  world.Advance(120s);
  EXPECT_THAT(world.control.calls, IsEmpty());
}

}  // namespace
}  // namespace p2p::client
