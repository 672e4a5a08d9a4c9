#include "control-server/domain/peer_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

using Answer = PeerRequests::Answer;
using Kind = PeerRequests::Opening::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RequestParty Party(UserId user, absl::string_view name, uint8_t nonce = 0) {
  RequestParty party{.user = user, .username = std::string(name), .offer = {}};
  party.offer.nonce.fill(nonce);
  return party;
}

class PeerRequestsTest : public ::testing::Test {
 protected:
  PeerRequests::Opening Ask(const RequestParty& from, const RequestParty& to) {
    return requests_.Open(IdOf<RequestId>(++last_id_), from, to, "hello", now_);
  }
  RequestId MustAsk(const RequestParty& from, const RequestParty& to) {
    const auto opening = Ask(from, to);
    EXPECT_EQ(opening.kind, Kind::kOpened);
    return opening.id;
  }
  RequestState StateOf(RequestId id) { return requests_.Find(id)->visible_state(); }
  // (party, state) of every outcome since the last call, as the parties would be told.
  std::vector<std::pair<UserId, RequestState>> Told() {
    std::vector<std::pair<UserId, RequestState>> told;
    for (const auto& [id, party] : requests_.TakeOutcomes()) {
      told.emplace_back(party, requests_.Find(id)->state);
      requests_.MarkTold(id, party, Conn(9), now_);
    }
    return told;
  }

  const RequestParty alice_ = Party(kAlice, "alice", 0xA1);
  const RequestParty bob_ = Party(kBob, "bob");
  const RequestParty carol_ = Party(kCarol, "carol");
  PeerRequests requests_{config::Timing{}};
  MonoTime now_ = kStart;
  uint8_t last_id_ = 0;
};

TEST_F(PeerRequestsTest, ApprovalIsTheOutcomeOnceItIsDurable) {
  const RequestId id = MustAsk(alice_, bob_);
  EXPECT_THAT(requests_.PendingFor(kBob), SizeIs(1));
  EXPECT_EQ(requests_.Approve(id, kBob, Party(kBob, "bob", 0xB0).offer, now_), Answer::kDone);
  EXPECT_EQ(StateOf(id), RequestState::kPending);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_THAT(requests_.PendingFor(kBob), IsEmpty());
  requests_.Committed(id, true, now_);
  EXPECT_EQ(StateOf(id), RequestState::kApproved);
  EXPECT_THAT(Told(), ElementsAre(std::pair(kAlice, RequestState::kApproved),
                                  std::pair(kBob, RequestState::kApproved)));
  EXPECT_EQ(requests_.Find(id)->target.offer.nonce[0], 0xB0);
  EXPECT_EQ(requests_.Find(id)->requester.offer.nonce[0], 0xA1);
}

TEST_F(PeerRequestsTest, AnApprovalThatCannotBeStoredIsUnavailable) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Approve(id, kBob, {}, now_);
  requests_.Committed(id, false, now_);
  EXPECT_THAT(Told(), ElementsAre(std::pair(kAlice, RequestState::kUnavailable),
                                  std::pair(kBob, RequestState::kUnavailable)));
}

TEST_F(PeerRequestsTest, NothingOvertakesAnApprovalOnItsWayToTheDisk) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Approve(id, kBob, {}, now_);
  EXPECT_EQ(requests_.Cancel(id, kAlice, now_), Answer::kTooLate);
  EXPECT_EQ(requests_.Deny(id, kBob, now_), Answer::kTooLate);
  requests_.PartyLeft(kAlice, now_);
  requests_.Tick(now_ + 1h);
  EXPECT_THAT(Told(), IsEmpty());
  requests_.Committed(id, true, now_);
  EXPECT_THAT(Told(), SizeIs(2));
}

TEST_F(PeerRequestsTest, DeniedCancelledExpiredAndUnavailableReachBothOnce) {
  const RequestId denied = MustAsk(alice_, bob_);
  EXPECT_EQ(requests_.Deny(denied, kBob, now_), Answer::kDone);
  EXPECT_THAT(Told(), ElementsAre(std::pair(kAlice, RequestState::kDenied),
                                  std::pair(kBob, RequestState::kDenied)));
  const RequestId cancelled = MustAsk(alice_, carol_);
  EXPECT_EQ(requests_.Cancel(cancelled, kAlice, now_), Answer::kDone);
  EXPECT_THAT(Told(), SizeIs(2));
  const RequestId expired = MustAsk(bob_, carol_);
  requests_.Tick(now_ + 60s - 1ms);
  EXPECT_EQ(StateOf(expired), RequestState::kPending);
  EXPECT_EQ(requests_.NextDeadline(), now_ + 60s);
  requests_.Tick(now_ + 60s);
  EXPECT_THAT(Told(), ElementsAre(std::pair(kBob, RequestState::kExpired),
                                  std::pair(kCarol, RequestState::kExpired)));
  now_ += 61s;
  const RequestId gone = MustAsk(alice_, bob_);
  requests_.PartyLeft(kBob, now_);
  EXPECT_EQ(StateOf(gone), RequestState::kUnavailable);
  EXPECT_THAT(Told(), SizeIs(2));
}

TEST_F(PeerRequestsTest, EveryTransitionIsIdempotentAndTheFirstOneStands) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Deny(id, kBob, now_);
  Told();
  EXPECT_EQ(requests_.Deny(id, kBob, now_), Answer::kRepeated);
  EXPECT_EQ(requests_.Approve(id, kBob, {}, now_), Answer::kTooLate);
  EXPECT_EQ(requests_.Cancel(id, kAlice, now_), Answer::kTooLate);
  requests_.PartyLeft(kAlice, now_);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(StateOf(id), RequestState::kDenied);
}

TEST_F(PeerRequestsTest, OnlyTheRightPartyCanAnswer) {
  const RequestId id = MustAsk(alice_, bob_);
  EXPECT_EQ(requests_.Approve(id, kAlice, {}, now_), Answer::kNoSuch);
  EXPECT_EQ(requests_.Approve(id, kCarol, {}, now_), Answer::kNoSuch);
  EXPECT_EQ(requests_.Deny(id, kAlice, now_), Answer::kNoSuch);
  EXPECT_EQ(requests_.Cancel(id, kBob, now_), Answer::kNoSuch);
  EXPECT_EQ(requests_.Cancel(IdOf<RequestId>(99), kAlice, now_), Answer::kNoSuch);
  EXPECT_EQ(StateOf(id), RequestState::kPending);
}

TEST_F(PeerRequestsTest, CrossingRequestsAreOneApprovalOfTheFirst) {
  const RequestId id = MustAsk(alice_, bob_);
  const auto crossing = Ask(Party(kBob, "bob", 0xB0), alice_);
  EXPECT_EQ(crossing.kind, Kind::kCrossed);
  EXPECT_EQ(crossing.id, id);
  requests_.Committed(id, true, now_);
  EXPECT_EQ(requests_.Find(id)->requester.user, kAlice);
  EXPECT_EQ(requests_.Find(id)->target.offer.nonce[0], 0xB0);
  EXPECT_THAT(Told(), ElementsAre(std::pair(kAlice, RequestState::kApproved),
                                  std::pair(kBob, RequestState::kApproved)));
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(PeerRequestsTest, CrossingWhileTheApprovalIsBeingStoredJoinsIt) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Approve(id, kBob, {}, now_);
  const auto crossing = Ask(bob_, alice_);
  EXPECT_EQ(crossing.kind, Kind::kJoined);
  EXPECT_EQ(crossing.id, id);
  requests_.Committed(id, true, now_);
  EXPECT_THAT(Told(), SizeIs(2));
}

TEST_F(PeerRequestsTest, OneOpenRequestPerPair) {
  MustAsk(alice_, bob_);
  EXPECT_EQ(Ask(alice_, bob_).kind, Kind::kOpen);
}

TEST_F(PeerRequestsTest, FiveOutstandingPerRequester) {
  for (uint8_t i = 0; i < 5; ++i) MustAsk(alice_, Party(IdOf<UserId>(100 + i), "someone"));
  now_ += 10s;
  const auto refused = Ask(alice_, bob_);
  EXPECT_EQ(refused.kind, Kind::kTooMany);
  EXPECT_EQ(refused.retry_after, 50s);
  now_ += 50s;
  MustAsk(alice_, bob_);
}

TEST_F(PeerRequestsTest, TheSameDirectionAgainOnlyAMinuteAfterTheOutcome) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Deny(id, kBob, now_);
  now_ += 20s;
  const auto refused = Ask(alice_, bob_);
  EXPECT_EQ(refused.kind, Kind::kRepeated);
  EXPECT_EQ(refused.retry_after, 40s);
  now_ += 40s;
  MustAsk(alice_, bob_);
}

TEST_F(PeerRequestsTest, TheDenierMayAskTheOtherWayAtOnce) {
  requests_.Deny(MustAsk(alice_, bob_), kBob, now_);
  MustAsk(bob_, alice_);
}

TEST_F(PeerRequestsTest, AnExpiryThatIsNoticedLateCountsFromItsTime) {
  MustAsk(alice_, bob_);
  now_ += 120s;  // Nobody ticked at 60 s.
  MustAsk(alice_, bob_);
}

TEST_F(PeerRequestsTest, MemoryIsBoundedPerRequester) {
  for (size_t i = 0; i < PeerRequests::kMaxRemembered; ++i) {
    UserId target;
    target.bytes[0] = 200;
    target.bytes[1] = static_cast<uint8_t>(i);
    RequestId id;
    id.bytes[1] = static_cast<uint8_t>(i);
    id.bytes[2] = 1;
    ASSERT_EQ(requests_.Open(id, alice_, Party(target, "x"), "", now_).kind, Kind::kOpened);
    requests_.Cancel(id, kAlice, now_);
  }
  EXPECT_EQ(Ask(alice_, bob_).kind, Kind::kTooMany);
  EXPECT_EQ(Ask(carol_, bob_).kind, Kind::kOpened);  // Others do not pay for it.
  now_ += 10min;
  EXPECT_EQ(Ask(alice_, bob_).kind, Kind::kOpened);
}

TEST_F(PeerRequestsTest, TheTwoPartiesSeeTheStateForTenMinutesAndNobodyElseDoes) {
  const RequestId id = MustAsk(alice_, bob_);
  EXPECT_NE(requests_.FindFor(id, kAlice), nullptr);
  EXPECT_NE(requests_.FindFor(id, kBob), nullptr);
  EXPECT_EQ(requests_.FindFor(id, kCarol), nullptr);
  requests_.Deny(id, kBob, now_);
  requests_.Tick(now_ + 10min - 1ms);
  EXPECT_NE(requests_.FindFor(id, kAlice), nullptr);
  requests_.Tick(now_ + 10min);
  EXPECT_EQ(requests_.FindFor(id, kAlice), nullptr);
  EXPECT_EQ(requests_.size(), 0u);
  EXPECT_FALSE(requests_.NextDeadline().has_value());
}

TEST_F(PeerRequestsTest, WhoWasAwayIsToldWhenHeIsBack) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Deny(id, kBob, now_);
  requests_.TakeOutcomes();
  requests_.MarkTold(id, kBob, Conn(2), now_);
  EXPECT_THAT(requests_.UntoldOutcomes(kAlice), ElementsAre(id));
  EXPECT_THAT(requests_.UntoldOutcomes(kBob), IsEmpty());
  requests_.MarkTold(id, kAlice, Conn(1), now_);
  EXPECT_THAT(requests_.UntoldOutcomes(kAlice), IsEmpty());
}

TEST_F(PeerRequestsTest, WhatWasToldJustBeforeTheConnectionBrokeIsToldAgain) {
  const RequestId id = MustAsk(alice_, bob_);
  requests_.Deny(id, kBob, now_);
  requests_.MarkTold(id, kAlice, Conn(1), now_);
  requests_.ConnectionBroke(kAlice, Conn(7), now_ + 20s);
  EXPECT_THAT(requests_.UntoldOutcomes(kAlice), IsEmpty());  // It was not told on that one.
  requests_.ConnectionBroke(kAlice, Conn(1), now_ + 60s);
  EXPECT_THAT(requests_.UntoldOutcomes(kAlice), IsEmpty());  // Long enough ago to have arrived.
  requests_.ConnectionBroke(kAlice, Conn(1), now_ + 20s);
  EXPECT_THAT(requests_.UntoldOutcomes(kAlice), ElementsAre(id));
}

TEST_F(PeerRequestsTest, ApprovalsOfBeforeARestartAreKnownAndToldAgain) {
  requests_.Restore(IdOf<RequestId>(50), alice_, bob_, now_);
  EXPECT_EQ(StateOf(IdOf<RequestId>(50)), RequestState::kApproved);
  EXPECT_THAT(requests_.UntoldOutcomes(kAlice), SizeIs(1));
  EXPECT_EQ(requests_.Approve(IdOf<RequestId>(50), kBob, {}, now_), Answer::kRepeated);
  requests_.Tick(now_ + 10min);
  EXPECT_EQ(requests_.size(), 0u);
}

}  // namespace
}  // namespace p2p::server
