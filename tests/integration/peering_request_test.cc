// From a request to two introductions, and every other way it can end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/integration/peering_fixture.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Event = v1::ServerEvent;

const std::string kTargetNonce(16, 't');

bool HasRetryInfo(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::RetryInfo info;
  return details.ParseFromString(status.error_details()) && details.details_size() == 1 &&
         details.details(0).UnpackTo(&info) && info.retry_delay().seconds() > 0;
}

// Alice and Bob, both attached.
class PeeringRequestTest : public PeeringFixture {
 protected:
  void SetUp() override {
    Configure();
    Start();
    alice_ = NewPeer("alice");
    bob_ = NewPeer("bob");
    alice_line_ = alice_->Attach();
    bob_line_ = bob_->Attach();
  }
  virtual void Configure() {}

  std::string Ask() {
    const auto status = alice_->RequestName("bob");
    EXPECT_TRUE(status.ok()) << status.error_message();
    return alice_->requested.request_id();
  }
  void ExpectOutcome(TestChannel& line, const std::string& id, const std::string& peer,
                     v1::RequestState state, bool by_me) {
    const auto outcome = line.Expect(Event::kRequestOutcome).request_outcome();
    EXPECT_EQ(outcome.request_id(), id);
    EXPECT_EQ(outcome.peer(), peer);
    EXPECT_EQ(outcome.state(), state);
    EXPECT_EQ(outcome.requested_by_me(), by_me);
  }
  void ExpectOutcomes(const std::string& id, v1::RequestState state) {
    ExpectOutcome(*alice_line_, id, "bob", state, true);
    ExpectOutcome(*bob_line_, id, "alice", state, false);
  }

  std::unique_ptr<TestPeer> alice_, bob_;
  std::unique_ptr<TestChannel> alice_line_, bob_line_;
};

TEST_F(PeeringRequestTest, ApprovalIntroducesBoth) {
  auto request = NewRequest();
  request.set_username("BOB");
  request.set_reason("about the garden");
  auto* candidate = request.add_candidates();
  candidate->set_ip_address("10.1.2.3");
  candidate->set_port(5000);
  ASSERT_TRUE(alice_->Request(request).ok());
  EXPECT_EQ(alice_->requested.peer(), "bob");
  const std::string id = alice_->requested.request_id();
  EXPECT_NEAR(static_cast<double>(alice_->requested.expires_at().seconds()),
              static_cast<double>(ToMs(clock_.Wall()) / 1000 + 60), 5);

  const auto asked = bob_line_->Expect(Event::kPeerRequest).peer_request();
  EXPECT_EQ(asked.request_id(), id);
  EXPECT_EQ(asked.from(), "alice");
  EXPECT_EQ(asked.ip_address(), "127.0.0.1");
  EXPECT_EQ(asked.reason(), "about the garden");
  EXPECT_GT(asked.expires_in_ms(), 50'000u);
  EXPECT_LE(asked.expires_in_ms(), 60'000u);

  bob_line_->SendApprove(id, kTargetNonce);
  ExpectOutcomes(id, v1::APPROVED);
  const auto to_alice = alice_line_->Expect(Event::kIntroduction).introduction();
  const auto to_bob = bob_line_->Expect(Event::kIntroduction).introduction();
  // It was on disk before it left.
  EXPECT_THAT(*InStore([](Store& s) { return s.ListIntroductions(); }), SizeIs(1));
  EXPECT_EQ(to_alice.signed_object(), to_bob.signed_object());
  EXPECT_TRUE(to_alice.requested_by_me());
  EXPECT_FALSE(to_bob.requested_by_me());
  EXPECT_TRUE(crypto::VerifySignature(introducer_.public_key(), AsBytes(to_bob.signed_object()),
                                      AsBytes(to_bob.signature())));
  const auto object = wire::Introduction::Parse(AsBytes(to_alice.signed_object()));
  ASSERT_TRUE(object.has_value());
  EXPECT_EQ(object->id.Hex(), id);
  EXPECT_EQ(object->requester.name, "alice");
  EXPECT_EQ(object->target.name, "bob");
  EXPECT_EQ(object->controller, wire::LinkController::kRequester);
  EXPECT_EQ(AsText(object->requester.nonce), std::string(16, 'r'));
  EXPECT_EQ(AsText(object->target.nonce), kTargetNonce);
  EXPECT_EQ(object->requester.chat_port, 4401);
  EXPECT_EQ(object->requester.observed.ToString(), "127.0.0.1");
  EXPECT_EQ(object->requester.device_key,
            sessions().FindByHeader(alice_->authorization)->token.device_key);
  ASSERT_THAT(object->requester.candidates, SizeIs(1));
  EXPECT_EQ(object->requester.candidates[0].ToString(), "10.1.2.3:5000");
  EXPECT_EQ(object->expires - object->issued, 12h);

  ASSERT_TRUE(bob_->Get(id).ok());
  EXPECT_EQ(bob_->got.state(), v1::APPROVED);
}

TEST_F(PeeringRequestTest, DenialCancellationAndLeavingReachBoth) {
  std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  bob_line_->SendDeny(id);
  bob_line_->SendDeny(id);  // Once more changes nothing and is no error.
  ExpectOutcomes(id, v1::DENIED);

  // The denier may ask the other way; the requester takes it back.
  ASSERT_TRUE(bob_->RequestName("alice").ok());
  id = bob_->requested.request_id();
  alice_line_->Expect(Event::kPeerRequest);
  bob_line_->SendCancel(id);
  ExpectOutcome(*alice_line_, id, "bob", v1::CANCELLED, false);
  ExpectOutcome(*bob_line_, id, "alice", v1::CANCELLED, true);

  auto carol = NewPeer("carol");
  auto carol_line = carol->Attach();
  ASSERT_TRUE(carol->RequestName("bob").ok());
  id = carol->requested.request_id();
  bob_line_->Expect(Event::kPeerRequest);
  bob_line_->CloseSending();
  ExpectOutcome(*carol_line, id, "bob", v1::UNAVAILABLE, true);
}

TEST_F(PeeringRequestTest, ARequesterWhoLeavesMakesItUnavailable) {
  const std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  alice_line_->Break();  // The grace of 300 ms passes.
  ExpectOutcome(*bob_line_, id, "alice", v1::UNAVAILABLE, false);
}

class ShortExpiryTest : public PeeringRequestTest {
  void Configure() override {
    timing_.request_expiry = 400ms;
    timing_.request_repeat = 0s;
  }
};

TEST_F(ShortExpiryTest, ARequestNobodyAnswersExpires) {
  const std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  ExpectOutcomes(id, v1::EXPIRED);
  // Too late now.
  bob_line_->SendApprove(id, kTargetNonce);
  const auto rejected = bob_line_->Expect(Event::kRejected).rejected();
  EXPECT_EQ(rejected.request_id(), id);
  EXPECT_THAT(rejected.message(), HasSubstr("expired"));
}

TEST_F(PeeringRequestTest, CrossingRequestsAreOneApproval) {
  const std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  ASSERT_TRUE(bob_->RequestName("alice").ok());
  EXPECT_EQ(bob_->requested.request_id(), id);
  ExpectOutcomes(id, v1::APPROVED);
  const auto introduction = alice_line_->Expect(Event::kIntroduction).introduction();
  bob_line_->Expect(Event::kIntroduction);
  const auto object = wire::Introduction::Parse(AsBytes(introduction.signed_object()));
  EXPECT_EQ(object->requester.name, "alice");
  EXPECT_EQ(AsText(object->target.nonce), std::string(16, 'r'));  // Of Bob's own request.
}

TEST_F(PeeringRequestTest, StateIsForTheTwoPartiesOnly) {
  const std::string id = Ask();
  ASSERT_TRUE(alice_->Get(id).ok());
  EXPECT_EQ(alice_->got.requester(), "alice");
  EXPECT_EQ(alice_->got.target(), "bob");
  EXPECT_EQ(alice_->got.state(), v1::PENDING);
  EXPECT_EQ(alice_->got.reason(), "hello");
  ASSERT_TRUE(bob_->Get(id).ok());

  auto carol = NewPeer("carol");
  const auto foreign = carol->Get(id);
  const auto unknown = carol->Get(std::string(32, '0'));
  EXPECT_EQ(foreign.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(unknown.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(foreign.error_message(), unknown.error_message());
}

TEST_F(PeeringRequestTest, GetRequestChecksItsField) {
  EXPECT_EQ(alice_->Get("").error_code(), StatusCode::INVALID_ARGUMENT);
  for (const std::string& id : {std::string("xyz"), std::string(31, '0'), std::string(33, '0'),
                                std::string(32, 'g'), std::string(5000, '0')}) {
    const auto status = alice_->Get(id);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << id;
    EXPECT_THAT(status.error_message(), StartsWith("request_id"));
  }
  alice_->authorization = "";
  EXPECT_EQ(alice_->Get(std::string(32, '0')).error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(PeeringRequestTest, MissingAndOversizedFieldsAreNamedAndNotPunished) {
  struct Row {
    std::string field;
    std::function<void(v1::RequestPeerRequest&)> spoil;
  };
  const std::vector<Row> rows = {
      {"target", [](auto& r) { r.clear_target(); }},
      {"username", [](auto& r) { r.set_username(""); }},
      {"username", [](auto& r) { r.set_username(std::string(65, 'a')); }},
      {"ip_address", [](auto& r) { r.set_ip_address(""); }},
      {"ip_address", [](auto& r) { r.set_ip_address(std::string(65, '1')); }},
      {"reason", [](auto& r) { r.set_reason(std::string(201, 'x')); }},
      {"reason", [](auto& r) { r.set_reason(std::string(30'000, 'x')); }},
      {"nonce", [](auto& r) { r.set_nonce(std::string(15, 'n')); }},
      {"nonce", [](auto& r) { r.set_nonce(std::string(17, 'n')); }},
      {"candidates",
       [](auto& r) {
         for (int i = 0; i < 5; ++i) {
           auto* c = r.add_candidates();
           c->set_ip_address("10.0.0.1");
           c->set_port(5000);
         }
       }},
      {"candidates", [](auto& r) { r.add_candidates()->set_port(5000); }},
      {"candidates",
       [](auto& r) {
         auto* c = r.add_candidates();
         c->set_ip_address("0.0.0.0");
         c->set_port(5000);
       }},
      {"candidates",
       [](auto& r) {
         auto* c = r.add_candidates();
         c->set_ip_address("10.0.0.1");
         c->set_port(80);
       }},
      {"candidates",
       [](auto& r) {
         auto* c = r.add_candidates();
         c->set_ip_address("10.0.0.1");
         c->set_port(70000);
       }},
  };
  for (const Row& row : rows) {
    auto request = NewRequest();
    request.set_username("bob");
    row.spoil(request);
    const auto status = alice_->Request(request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << request.ShortDebugString();
    EXPECT_THAT(status.error_message(), StartsWith(row.field));
  }
  auto request = NewRequest();
  request.set_username("bob");
  request.clear_nonce();
  const auto status = alice_->Request(request);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), StartsWith("nonce"));
  // 200 characters of 4 bytes each are 200 characters; and the session lives after all that.
  request = NewRequest();
  request.set_username("bob");
  std::string reason;
  for (int i = 0; i < 200; ++i) reason += "\xF0\x9F\x98\x80";
  request.set_reason(reason);
  EXPECT_TRUE(alice_->Request(request).ok());
  EXPECT_EQ(hub().counters().Get(HubCount::kPenalties), 0u);
}

TEST_F(PeeringRequestTest, NonUtf8IsRefusedByTheLibraryAndTheConnectionLives) {
  grpc::GenericStub stub(alice_->channel().shared_from_this());
  const grpc::Slice slice(std::string("\x0A\x03\xFF\xFE\xFD", 5));  // username = FF FE FD
  grpc::ByteBuffer request(&slice, 1), response;
  grpc::ClientContext context;
  context.AddMetadata("authorization", alice_->authorization);
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/p2p.v1.PeeringService/RequestPeer", {}, &request, &response,
                 [&](grpc::Status result) {
                   status = std::move(result);
                   done.Notify();
                 });
  done.WaitForNotification();
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "");
  Ask();
}

TEST_F(PeeringRequestTest, RequestPeerNeedsTokenDeviceAndChatPort) {
  auto carol = NewPeer("carol", {.device = false});
  EXPECT_EQ(carol->RequestName("bob").error_code(), StatusCode::FAILED_PRECONDITION);
  carol->authorization = NewToken("carol", {.chat_port = 0});
  const auto status = carol->RequestName("bob");
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), StartsWith("chat_endpoint"));
  carol->authorization = "Bearer nonsense";
  EXPECT_EQ(carol->RequestName("bob").error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(PeeringRequestTest, WhatCannotBeAnsweredIsRejectedWithTheReason) {
  const std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  const auto expect = [&](TestChannel& line, const std::string& text) {
    EXPECT_THAT(line.Expect(Event::kRejected).rejected().message(), HasSubstr(text));
  };
  bob_line_->SendApprove(id, "short");
  expect(*bob_line_, "nonce");
  bob_line_->SendApprove("no hex", kTargetNonce);
  expect(*bob_line_, "request_id");
  v1::ClientEvent event;
  event.mutable_approve()->set_request_id(id);
  event.mutable_approve()->set_nonce(kTargetNonce);
  event.mutable_approve()->add_candidates()->set_ip_address("not an address");
  bob_line_->Send(event);
  expect(*bob_line_, "candidates");
  bob_line_->SendDeny("");
  expect(*bob_line_, "request_id");
  bob_line_->SendDeny(std::string(32, '0'));
  expect(*bob_line_, "no such request");
  bob_line_->SendCancel(id);  // Not his to cancel.
  expect(*bob_line_, "no such request");
  alice_line_->SendApprove(id, kTargetNonce);  // Nobody approves his own request.
  expect(*alice_line_, "no such request");
  // None of it touched the request.
  bob_line_->SendApprove(id, kTargetNonce);
  ExpectOutcomes(id, v1::APPROVED);
  alice_line_->Expect(Event::kIntroduction);
  alice_line_->SendCancel(id);
  expect(*alice_line_, "already approved");
}

TEST_F(PeeringRequestTest, OneOpenRequestPerPairAndAPauseAfterTheOutcome) {
  const std::string id = Ask();
  EXPECT_EQ(alice_->RequestName("bob").error_code(), StatusCode::ALREADY_EXISTS);
  bob_line_->Expect(Event::kPeerRequest);
  bob_line_->SendDeny(id);
  ExpectOutcomes(id, v1::DENIED);
  const auto status = alice_->RequestName("bob");
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(HasRetryInfo(status));
}

TEST_F(PeeringRequestTest, FiveOutstandingAtMost) {
  std::vector<std::unique_ptr<TestPeer>> peers;
  std::vector<std::unique_ptr<TestChannel>> lines;
  for (int i = 0; i < 5; ++i) {
    const std::string name = absl::StrCat("peer-", i);
    peers.push_back(NewPeer(name));
    lines.push_back(peers.back()->Attach());
    EXPECT_TRUE(alice_->RequestName(name).ok());
  }
  const auto status = alice_->RequestName("bob");
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(HasRetryInfo(status));
}

class LongGraceTest : public PeeringRequestTest {
  void Configure() override { timing_.detach_grace = 1h; }
};

TEST_F(LongGraceTest, ARequestToSomebodyInTheGraceWaitsForHim) {
  bob_line_->Break();
  EXPECT_TRUE(WaitUntil([&] { return relay_.sessions() == 1; }));
  const std::string id = Ask();
  bob_line_ = bob_->Attach();
  EXPECT_EQ(bob_line_->Expect(Event::kPeerRequest).peer_request().request_id(), id);
}

TEST_F(LongGraceTest, OutcomeAndIntroductionWaitForTheRequester) {
  const std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  alice_line_->Break();
  EXPECT_TRUE(WaitUntil([&] { return relay_.sessions() == 1; }));
  bob_line_->SendApprove(id, kTargetNonce);
  ExpectOutcome(*bob_line_, id, "alice", v1::APPROVED, false);
  bob_line_->Expect(Event::kIntroduction);
  alice_line_ = alice_->Attach();
  ExpectOutcome(*alice_line_, id, "bob", v1::APPROVED, true);
  EXPECT_EQ(alice_line_->Expect(Event::kIntroduction).introduction().request_id(), id);
}

TEST_F(PeeringRequestTest, IntroductionsAreSentAgainUntilAcknowledgedEvenAfterARestart) {
  const std::string id = Ask();
  bob_line_->Expect(Event::kPeerRequest);
  bob_line_->SendApprove(id, kTargetNonce);
  ExpectOutcomes(id, v1::APPROVED);
  const std::string object =
      alice_line_->Expect(Event::kIntroduction).introduction().signed_object();
  bob_line_->Expect(Event::kIntroduction);
  bob_line_->SendIntroductionAck(id);
  EXPECT_TRUE(WaitUntil([&] {
    const auto stored = InStore([](Store& s) { return s.ListIntroductions(); });
    return stored->size() == 1 && stored->front().target_acked;
  }));
  // A pending request does not survive what follows.
  auto carol = NewPeer("carol");
  auto carol_line = carol->Attach();
  ASSERT_TRUE(carol->RequestName("bob").ok());
  const std::string pending = carol->requested.request_id();

  alice_line_.reset();
  bob_line_.reset();
  carol_line.reset();
  Restart();
  alice_ = NewPeer("alice");
  bob_ = NewPeer("bob");
  carol = NewPeer("carol");
  ASSERT_TRUE(alice_->Get(id).ok());
  EXPECT_EQ(alice_->got.state(), v1::APPROVED);
  EXPECT_EQ(carol->Get(pending).error_code(), StatusCode::NOT_FOUND);
  alice_line_ = alice_->Attach();
  ExpectOutcome(*alice_line_, id, "bob", v1::APPROVED, true);
  EXPECT_EQ(alice_line_->Expect(Event::kIntroduction).introduction().signed_object(), object);
  alice_line_->SendIntroductionAck(id);
  // Both have it: the row is gone, and a later attach brings nothing.
  EXPECT_TRUE(
      WaitUntil([&] { return InStore([](Store& s) { return s.ListIntroductions(); })->empty(); }));
  bob_line_ = bob_->Attach();
  bob_line_->SendDeny("");
  bob_line_->Expect(Event::kRejected);  // Neither outcome nor introduction came before it.
}

}  // namespace
}  // namespace p2p::server
