// Broadcasts through real gRPC calls, with the store in memory or in a file and the relay and the
// channels as fakes: what callers may send, what they get back, and what survives.
#include "control-server/service/broadcast_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "asio/executor_work_guard.hpp"
#include "asio/post.hpp"
#include "common/crypto/hash.h"
#include "common/crypto/os_random.h"
#include "common/wire/broadcast_object.h"
#include "control-server/service/broadcast_purger.h"
#include "control-server/service/hub_relay_events.h"
#include "control-server/store/memory_store.h"
#include "control-server/store/sqlite_store.h"
#include "tests/fakes/recording_relay.h"

namespace p2p::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

class NoConnections final : public ConnectionControl {
 public:
  void MarkHello(const net::SocketAddress&) override {}
  void MarkAuthenticated(const net::SocketAddress&) override {}
  void Close(const net::SocketAddress&, Duration) override {}
  std::optional<net::SocketAddress> LocalAddress(const net::SocketAddress&) const override {
    return std::nullopt;
  }
};

class RecordingChannel final : public ChannelSink {
 public:
  bool Push(std::shared_ptr<const v1::ServerEvent> event) override {
    MutexLock lock(mu_);
    events_.push_back(std::move(event));
    return true;
  }
  std::vector<std::shared_ptr<const v1::ServerEvent>> events() const {
    MutexLock lock(mu_);
    return events_;
  }

 private:
  mutable Mutex mu_;
  std::vector<std::shared_ptr<const v1::ServerEvent>> events_ ABSL_GUARDED_BY(mu_);
};

// One server process: everything from the store queue up. Destroying it is a clean end.
class Process {
 public:
  // Runs on the hub thread and waits for it; what was posted before is done then.
  template <class F>
  auto OnHub(F f) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    asio::post(hub_, [&task] { task(); });
    return result.get();
  }

  Process(Store& store, const Clock& clock, const config::Timing& timing,
          const crypto::SigningKey& key, BroadcastLimits limits)
      : work_(asio::make_work_guard(hub_)),
        queue_(store, [](const absl::Status& s) { ADD_FAILURE() << "fatal: " << s; }),
        events_(hub_),
        desk_(hub_, queue_, &relay_, key, clock, random_, timing, limits),
        purger_(hub_, queue_, clock, timing),
        sessions_(clock),
        authenticator_(sessions_, connections_),
        service_(authenticator_, desk_, queue_, clock, timing) {
    events_.AddListener(desk_);
    events_.SetFeedSessions([this] {
      // Like a hub: not at once, but on its own turn.
      asio::post(hub_, [this] {
        for (const ConnId& conn : attached_) relay_.AddSession(conn, Secret<32>());
      });
    });
    EXPECT_TRUE(desk_.Restore().ok());
    thread_ = std::thread([this] { hub_.run(); });
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::BroadcastService::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                              grpc::InsecureChannelCredentials()));
  }
  ~Process() {
    server_->Shutdown(std::chrono::system_clock::now() + 2s);
    server_->Wait();
    OnHub([this] {
      purger_.Stop();
      desk_.Stop();
    });
    queue_.Stop();
    work_.reset();
    hub_.stop();
    thread_.join();
  }

  std::string LogIn(const Account& account) {
    auto caller = std::make_shared<Caller>();
    const auto token = random_.Array<32>();
    caller->token.hash = HashToken(token);
    caller->token.account = account.id;
    caller->token.expires_at = WallFromMs(int64_t{1} << 42);
    caller->user = account.id;
    caller->username = account.username;
    caller->admin = account.admin;
    sessions_.Add(caller);
    return "Bearer " + Base64UrlEncode(token);
  }

  struct Attached {
    ConnId conn;
    std::shared_ptr<RecordingChannel> channel;
  };
  Attached Attach(const Account& account) {
    Attached out{random_.NewId<ConnId>(), std::make_shared<RecordingChannel>()};
    relay_.AddSession(out.conn, Secret<32>());
    attached_.push_back(out.conn);
    OnHub([&] { desk_.OnAttached({account.id, account.username, out.conn, {}, out.channel}); });
    return out;
  }

  v1::BroadcastService::Stub& stub() { return *stub_; }
  RecordingRelay& relay() { return relay_; }
  HubRelayEvents& events() { return events_; }
  BroadcastDesk& desk() { return desk_; }
  BroadcastPurger& purger() { return purger_; }
  StoreQueue& queue() { return queue_; }

 private:
  asio::io_context hub_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  StoreQueue queue_;
  RecordingRelay relay_;
  HubRelayEvents events_;
  crypto::OsRandom random_;
  BroadcastDesk desk_;
  BroadcastPurger purger_;
  SessionTable sessions_;
  NoConnections connections_;
  std::vector<ConnId> attached_;
  Authenticator authenticator_;
  BroadcastService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::BroadcastService::Stub> stub_;
  std::thread thread_;
};

class BroadcastServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    alice_.username = "alice";
    bob_.username = "bob";
    root_.username = "root_";
    root_.admin = true;
    Start();
    for (Account* account : {&alice_, &bob_, &root_}) {
      account->id = random_.NewId<UserId>();
      ASSERT_TRUE(store_.CreateAccount(*account).ok());
    }
    LogIn();
  }
  void Start() { process_.emplace(store_, clock_, timing_, key_, limits_); }
  void LogIn() {
    alice_token_ = process_->LogIn(alice_);
    bob_token_ = process_->LogIn(bob_);
    root_token_ = process_->LogIn(root_);
  }
  void Restart() {
    process_.reset();
    Start();
    LogIn();
  }

  template <class Request, class Response>
  grpc::Status Call(grpc::Status (v1::BroadcastService::Stub::*method)(grpc::ClientContext*,
                                                                       const Request&, Response*),
                    const std::string& token, const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 20s);
    if (!token.empty()) context.AddMetadata("authorization", token);
    return (process_->stub().*method)(&context, request, response);
  }
  grpc::Status Broadcast(const std::string& token, const v1::BroadcastRequest& request,
                         v1::BroadcastResponse* response) {
    return Call(&v1::BroadcastService::Stub::Broadcast, token, request, response);
  }
  grpc::Status Broadcast(const v1::BroadcastRequest& request) {
    v1::BroadcastResponse response;
    return Broadcast(alice_token_, request, &response);
  }
  // Accepted, or the test fails.
  v1::BroadcastResponse Sent(const v1::BroadcastRequest& request) {
    v1::BroadcastResponse response;
    const grpc::Status status = Broadcast(alice_token_, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    // OK is said before the hub goes on with the broadcast: let it.
    process_->OnHub([] {});
    return response;
  }
  v1::GetBroadcastResponse Report(const std::string& id) {
    v1::GetBroadcastRequest request;
    request.set_broadcast_id(id);
    v1::GetBroadcastResponse response;
    const grpc::Status status =
        Call(&v1::BroadcastService::Stub::GetBroadcast, alice_token_, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static v1::BroadcastRequest Text(std::string text) {
    v1::BroadcastRequest request;
    request.set_text(std::move(text));
    return request;
  }
  static BroadcastId IdOf(const v1::BroadcastResponse& response) {
    return BroadcastId::FromHex(response.broadcast_id()).value();
  }

  SeededRandom random_{1};
  ManualClock clock_;
  config::Timing timing_;
  BroadcastLimits limits_;
  crypto::SigningKey key_ = crypto::SigningKey::Generate();
  MemoryStore store_;
  Account alice_;
  Account bob_;
  Account root_;
  std::string alice_token_, bob_token_, root_token_;
  std::optional<Process> process_;
};

// ---- What may be asked --------------------------------------------------------------------------

TEST_F(BroadcastServiceTest, MissingAndOversizedFieldsAreNamed) {
  const auto expect = [&](const v1::BroadcastRequest& request, const char* field) {
    const grpc::Status status = Broadcast(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(field));
  };
  expect({}, "text");
  expect(Text(std::string(61441, 'x')), "text");
  auto request = Text("x");
  request.set_idempotency_key(std::string(65, 'k'));
  expect(request, "idempotency_key");
  request = Text("x");
  request.set_ttl_seconds(1801);
  expect(request, "ttl_seconds");
  EXPECT_TRUE(store_.ListBroadcasts(std::nullopt, WallFromMs(0), 10)->empty());
}

TEST_F(BroadcastServiceTest, TheLimitsThemselvesAreAllowed) {
  auto request = Text(std::string(61440, 'x'));
  request.set_idempotency_key(std::string(64, 'k'));
  request.set_ttl_seconds(1800);
  const auto response = Sent(request);
  EXPECT_EQ(response.expires_at().seconds() - response.sent_at().seconds(), 1800);
  EXPECT_EQ(response.broadcast_id().size(), 32u);
}

TEST_F(BroadcastServiceTest, WithoutATokenNothingIsSaid) {
  for (const std::string& token : {std::string(), std::string("Bearer nonsense")}) {
    v1::BroadcastResponse sent;
    EXPECT_EQ(Broadcast(token, Text("x"), &sent).error_code(), grpc::StatusCode::UNAUTHENTICATED);
    v1::GetBroadcastResponse got;
    EXPECT_EQ(
        Call(&v1::BroadcastService::Stub::GetBroadcast, token, v1::GetBroadcastRequest(), &got)
            .error_code(),
        grpc::StatusCode::UNAUTHENTICATED);
    v1::ListBroadcastsResponse listed;
    EXPECT_EQ(Call(&v1::BroadcastService::Stub::ListBroadcasts, token, v1::ListBroadcastsRequest(),
                   &listed)
                  .error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
  }
}

TEST_F(BroadcastServiceTest, IdsThatAreNoneAreInvalidAndForeignOnesUnknown) {
  const auto sent = Sent(Text("x"));
  const auto code = [&](const std::string& token, const std::string& id) {
    v1::GetBroadcastRequest request;
    request.set_broadcast_id(id);
    v1::GetBroadcastResponse response;
    return Call(&v1::BroadcastService::Stub::GetBroadcast, token, request, &response).error_code();
  };
  EXPECT_EQ(code(alice_token_, ""), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(alice_token_, "zz"), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(alice_token_, std::string(34, 'a')), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(alice_token_, std::string(32, 'a')), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(code(bob_token_, sent.broadcast_id()), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(code(root_token_, sent.broadcast_id()), grpc::StatusCode::OK);
  EXPECT_EQ(code(alice_token_, sent.broadcast_id()), grpc::StatusCode::OK);
}

class RevokeTest : public BroadcastServiceTest {
 protected:
  grpc::Status Revoke(const std::string& token, const std::string& id) {
    request_.set_broadcast_id(id);
    return Call(&v1::BroadcastService::Stub::RevokeBroadcast, token, request_, &response_);
  }
  v1::RevokeBroadcastRequest request_;
  v1::RevokeBroadcastResponse response_;
};

TEST_F(RevokeTest, OnlyTheSenderAndAdminsMay) {
  const auto first = Sent(Text("one"));
  const auto second = Sent(Text("two"));
  EXPECT_EQ(Revoke(alice_token_, "").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Revoke(alice_token_, std::string(32, 'a')).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Revoke(bob_token_, first.broadcast_id()).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_FALSE(Report(first.broadcast_id()).broadcast().revoked());
  EXPECT_TRUE(Revoke(alice_token_, first.broadcast_id()).ok());
  EXPECT_TRUE(response_.broadcast().revoked());
  EXPECT_EQ(response_.broadcast().broadcast_id(), first.broadcast_id());
  EXPECT_TRUE(Revoke(root_token_, second.broadcast_id()).ok());
}

TEST_F(RevokeTest, WhoDoesNotHaveItNeverGetsIt) {
  const auto bob = process_->Attach(bob_);
  const auto sent = Sent(Text("hello"));
  ASSERT_TRUE(Revoke(alice_token_, sent.broadcast_id()).ok());
  EXPECT_EQ(process_->relay().Find(IdOf(sent)), nullptr);
  clock_.Advance(10s);  // Now the channel would carry it.
  process_->OnHub([&] { process_->desk().Tick(); });
  // He may have it, for all the server knows: he hears that it was taken back, and no more.
  ASSERT_THAT(bob.channel->events(), SizeIs(1));
  const v1::ServerEvent told = *bob.channel->events()[0];
  EXPECT_EQ(told.broadcast_revoked().broadcast_id(), sent.broadcast_id());
  EXPECT_THAT(told.SerializeAsString(), Not(HasSubstr("hello")));
  const auto late = process_->Attach(alice_);
  EXPECT_THAT(late.channel->events(), IsEmpty());
  EXPECT_THAT(process_->relay().queued(), Not(Contains(Pair(late.conn, IdOf(sent)))));
  EXPECT_EQ(Report(sent.broadcast_id()).deliveries(0).state(), v1::DELIVERY_EXPIRED);
}

TEST_F(RevokeTest, WhoWasAwayHearsOfItAlsoAfterARestart) {
  const auto bob = process_->Attach(bob_);
  const auto here = Sent(Text("taken back by a running server"));
  const auto stopped = Sent(Text("taken back while it was stopped"));
  process_->OnHub([&] { process_->desk().OnDetached(bob_.id, bob.conn); });
  ASSERT_TRUE(Revoke(alice_token_, here.broadcast_id()).ok());
  process_.reset();
  ASSERT_TRUE(store_.RevokeBroadcast(IdOf(stopped)).ok());
  clock_.Advance(20min);
  Start();
  LogIn();
  const auto back = process_->Attach(bob_);
  std::set<std::string> told;
  for (const auto& event : back.channel->events()) {
    told.insert(event->broadcast_revoked().broadcast_id());
  }
  EXPECT_EQ(told, (std::set<std::string>{here.broadcast_id(), stopped.broadcast_id()}));
  EXPECT_THAT(process_->relay().queued(), IsEmpty());
  // His answer that he has one of them counts.
  process_->OnHub([&] {
    process_->desk().OnBroadcastAck(bob_.id, back.conn, IdOf(stopped), DeliveryVia::kUdp);
  });
  EXPECT_EQ(Report(stopped.broadcast_id()).deliveries(0).state(), v1::DELIVERED_UDP);
  EXPECT_EQ(Report(here.broadcast_id()).deliveries(0).state(), v1::DELIVERY_EXPIRED);
  clock_.Advance(10min);
  Restart();
  EXPECT_THAT(process_->Attach(bob_).channel->events(), IsEmpty());
}

TEST_F(RevokeTest, ItsPlaceIsTakenUntilItsOwnEndAlsoAfterARestart) {
  limits_ = {.live_per_sender = 1};
  Restart();
  const auto sent = Sent(Text("one"));
  ASSERT_TRUE(Revoke(alice_token_, sent.broadcast_id()).ok());
  EXPECT_EQ(Broadcast(Text("two")).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  Restart();
  EXPECT_EQ(Broadcast(Text("two")).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  clock_.Advance(30min);
  process_->OnHub([&] { process_->desk().Tick(); });
  EXPECT_TRUE(Broadcast(Text("two")).ok());
}

TEST_F(RevokeTest, TwiceIsAsGoodAsOnceAlsoAfterARestart) {
  const auto sent = Sent(Text("hello"));
  ASSERT_TRUE(Revoke(alice_token_, sent.broadcast_id()).ok());
  EXPECT_TRUE(Revoke(alice_token_, sent.broadcast_id()).ok());
  Restart();
  process_->Attach(bob_);
  EXPECT_THAT(process_->relay().queued(), IsEmpty());
  EXPECT_TRUE(Report(sent.broadcast_id()).broadcast().revoked());
}

// ---- What is sent -------------------------------------------------------------------------------

TEST_F(BroadcastServiceTest, RelayGetsASignedObjectThatNamesTheSender) {
  const auto bob = process_->Attach(bob_);
  const auto response = Sent(Text("good morning"));
  const auto broadcast = process_->relay().Find(IdOf(response));
  ASSERT_NE(broadcast, nullptr);
  EXPECT_EQ(broadcast->text, "good morning");
  EXPECT_TRUE(
      crypto::VerifySignature(key_.public_key(), broadcast->signed_object, broadcast->signature));
  const auto object = wire::BroadcastObject::Parse(broadcast->signed_object);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->id, IdOf(response));
  EXPECT_EQ(object->sender, alice_.id);
  EXPECT_EQ(object->sender_name, "alice");
  EXPECT_EQ(object->sent_at, clock_.Wall());
  EXPECT_EQ(object->expires_at, clock_.Wall() + 30min);
  EXPECT_EQ(object->text_digest, crypto::Sha256(AsBytes("good morning")));
  EXPECT_THAT(process_->relay().queued(), ElementsAre(Pair(bob.conn, IdOf(response))));
}

TEST_F(BroadcastServiceTest, OmittedSenderIsNowhereInTheObjectButInTheReport) {
  auto request = Text("psst");
  request.set_omit_sender(true);
  const auto response = Sent(request);
  const auto object =
      wire::BroadcastObject::Parse(process_->relay().Find(IdOf(response))->signed_object);
  ASSERT_TRUE(object);
  EXPECT_TRUE(object->sender.is_zero());
  EXPECT_EQ(object->sender_name, "");
  EXPECT_EQ(Report(response.broadcast_id()).broadcast().sender(), "alice");
}

TEST_F(BroadcastServiceTest, ReportFollowsTheDeliveries) {
  const auto bob = process_->Attach(bob_);
  const auto alice = process_->Attach(alice_);
  const auto response = Sent(Text("hello"));
  process_->events().OnDelivered(bob.conn, IdOf(response));
  process_->OnHub([] {});
  clock_.Advance(1s);
  auto report = Report(response.broadcast_id());
  EXPECT_EQ(report.broadcast().due(), 2u);
  EXPECT_EQ(report.broadcast().delivered(), 1u);
  ASSERT_THAT(report.deliveries(), SizeIs(2));
  EXPECT_EQ(report.deliveries(0).username(), "alice");
  EXPECT_EQ(report.deliveries(0).state(), v1::QUEUED);
  EXPECT_FALSE(report.deliveries(0).has_at());
  EXPECT_EQ(report.deliveries(1).username(), "bob");
  EXPECT_EQ(report.deliveries(1).state(), v1::DELIVERED_UDP);
  EXPECT_TRUE(report.deliveries(1).has_at());
  clock_.Advance(30min);
  EXPECT_EQ(Report(response.broadcast_id()).deliveries(0).state(), v1::DELIVERY_EXPIRED);
}

TEST_F(BroadcastServiceTest, ChannelCarriesWhatUdpDidNot) {
  const auto bob = process_->Attach(bob_);
  const auto response = Sent(Text("hello"));
  EXPECT_THAT(bob.channel->events(), IsEmpty());
  clock_.Advance(10s);
  process_->OnHub([&] { process_->desk().Tick(); });
  const auto events = bob.channel->events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0]->broadcast().broadcast_id(), response.broadcast_id());
  EXPECT_EQ(events[0]->broadcast().text(), "hello");
  EXPECT_TRUE(crypto::VerifySignature(key_.public_key(),
                                      AsBytes(events[0]->broadcast().signed_object()),
                                      AsBytes(events[0]->broadcast().signature())));
  process_->OnHub([&] {
    process_->desk().OnBroadcastAck(bob_.id, bob.conn, IdOf(response), DeliveryVia::kNone);
  });
  EXPECT_EQ(Report(response.broadcast_id()).deliveries(0).state(), v1::DELIVERED_CHANNEL);
}

TEST_F(BroadcastServiceTest, RelayThatRestartedIsFedAgain) {
  const auto bob = process_->Attach(bob_);
  const auto response = Sent(Text("hello"));
  process_->relay().ForgetEverything();
  process_->events().OnRelayRestarted();
  for (int turn = 0; turn < 3; ++turn) process_->OnHub([] {});
  EXPECT_THAT(process_->relay().queued(), ElementsAre(Pair(bob.conn, IdOf(response))));
}

TEST_F(BroadcastServiceTest, ExpiredBroadcastLeavesTheRelayAndItsTextTheStore) {
  const auto response = Sent(Text("hello"));
  clock_.Advance(30min + 1s);
  process_->OnHub([&] {
    process_->desk().Tick();
    process_->purger().Start();
  });
  EXPECT_EQ(process_->relay().Find(IdOf(response)), nullptr);
  process_->Attach(bob_);
  EXPECT_THAT(process_->relay().queued(), IsEmpty());
  std::promise<std::string> text;
  process_->queue().Read(
      [&](Store& store) { return store.GetBroadcast(IdOf(response)); },
      [&](absl::StatusOr<BroadcastRecord> record) { text.set_value(record->text); });
  EXPECT_EQ(text.get_future().get(), "");
}

// ---- Idempotency, limits, restart ---------------------------------------------------------------

TEST_F(BroadcastServiceTest, SameKeyAndContentGetTheFirstAnswerAgainAlsoAfterARestart) {
  auto request = Text("once");
  request.set_idempotency_key("k1");
  const auto first = Sent(request);
  clock_.Advance(1min);
  EXPECT_EQ(Sent(request).SerializeAsString(), first.SerializeAsString());
  Restart();
  EXPECT_EQ(Sent(request).SerializeAsString(), first.SerializeAsString());
  EXPECT_THAT(*store_.ListBroadcasts(std::nullopt, WallFromMs(0), 10), SizeIs(1));
}

TEST_F(BroadcastServiceTest, SameKeyWithOtherContentIsRefused) {
  auto request = Text("once");
  request.set_idempotency_key("k1");
  Sent(request);
  auto other = request;
  other.set_text("twice");
  EXPECT_EQ(Broadcast(other).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  other = request;
  other.set_ttl_seconds(60);
  EXPECT_EQ(Broadcast(other).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  other = request;
  other.set_omit_sender(true);
  EXPECT_EQ(Broadcast(other).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  v1::BroadcastResponse response;  // Another account's keys are its own.
  EXPECT_TRUE(Broadcast(bob_token_, request, &response).ok());
}

TEST_F(BroadcastServiceTest, ConcurrentTriesWithOneKeyMakeOneBroadcast) {
  auto request = Text("once");
  request.set_idempotency_key("k1");
  std::vector<std::thread> threads;
  std::vector<std::string> answers(8);
  for (auto& answer : answers) {
    threads.emplace_back([&] { answer = Sent(request).SerializeAsString(); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(answers, ::testing::Each(answers[0]));
  EXPECT_THAT(*store_.ListBroadcasts(std::nullopt, WallFromMs(0), 10), SizeIs(1));
}

TEST_F(BroadcastServiceTest, RestartedServerGoesOnWhereItWas) {
  const auto bob = process_->Attach(bob_);
  const auto response = Sent(Text("hello"));
  process_->events().OnDelivered(bob.conn, IdOf(response));
  process_->OnHub([] {});
  Restart();
  process_->Attach(bob_);
  const auto alice = process_->Attach(alice_);
  EXPECT_THAT(process_->relay().queued(), ElementsAre(Pair(alice.conn, IdOf(response))));
  clock_.Advance(30min);
  Restart();
  process_->Attach(alice_);
  EXPECT_THAT(process_->relay().queued(), IsEmpty());
}

TEST_F(BroadcastServiceTest, TooManyLiveBroadcastsAreRefusedUntilOneExpires) {
  limits_ = {.live = 3, .live_per_sender = 2};
  Restart();
  auto keyed = Text("a");
  keyed.set_idempotency_key("k");
  Sent(keyed);
  Sent(Text("b"));
  const grpc::Status status = Broadcast(Text("c"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(status.error_details(), "");
  auto other_key = Text("c");
  other_key.set_idempotency_key("other");
  EXPECT_EQ(Broadcast(other_key).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Broadcast(keyed).ok());  // A retry is not a new one.
  v1::BroadcastResponse response;
  EXPECT_TRUE(Broadcast(bob_token_, Text("c"), &response).ok());
  process_->OnHub([] {});
  EXPECT_EQ(Broadcast(bob_token_, Text("d"), &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  clock_.Advance(30min);
  process_->OnHub([&] { process_->desk().Tick(); });
  EXPECT_TRUE(Broadcast(Text("c")).ok());
}

TEST_F(BroadcastServiceTest, NothingNewIsTakenInWhileTheLedgerIsFarBehind) {
  limits_ = {.ledger_rows = 3};
  Restart();
  const auto alice = process_->Attach(alice_);
  const auto bob = process_->Attach(bob_);
  auto keyed = Text("a");
  keyed.set_idempotency_key("k");
  // More are attached than rows may wait for one more: the first goes all the same.
  const auto first = Sent(keyed);
  std::promise<void> go_on;
  process_->queue().Submit(
      [&](Store&) {
        go_on.get_future().wait();
        return absl::OkStatus();
      },
      [](const absl::Status&) {});
  for (const auto& conn : {alice.conn, bob.conn}) {
    process_->OnHub([&] { process_->desk().OnDelivered(conn, IdOf(first)); });
  }
  const grpc::Status status = Broadcast(Text("b"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("ledger"));
  EXPECT_NE(status.error_details(), "") << "when to try again";
  go_on.set_value();
  EXPECT_EQ(Report(first.broadcast_id()).broadcast().delivered(), 2u);  // Written by then.
  EXPECT_TRUE(Broadcast(keyed).ok());
  EXPECT_TRUE(Broadcast(Text("b")).ok());
}

TEST_F(BroadcastServiceTest, ListShowsOnesOwnAndAdminsAll) {
  const auto first = Sent(Text("a"));
  clock_.Advance(1s);
  const auto second = Sent(Text("b"));
  v1::BroadcastResponse of_bob;
  ASSERT_TRUE(Broadcast(bob_token_, Text("c"), &of_bob).ok());
  const auto list = [&](const std::string& token) {
    v1::ListBroadcastsResponse response;
    EXPECT_TRUE(Call(&v1::BroadcastService::Stub::ListBroadcasts, token,
                     v1::ListBroadcastsRequest(), &response)
                    .ok());
    std::vector<std::string> ids;
    for (const auto& info : response.broadcasts()) ids.push_back(info.broadcast_id());
    return ids;
  };
  EXPECT_THAT(list(alice_token_), ElementsAre(second.broadcast_id(), first.broadcast_id()));
  EXPECT_THAT(list(bob_token_), ElementsAre(of_bob.broadcast_id()));
  EXPECT_THAT(list(root_token_), SizeIs(3));
}

}  // namespace
}  // namespace p2p::server
