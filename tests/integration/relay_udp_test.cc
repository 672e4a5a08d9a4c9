// The relay's worker and the client's receiver over real sockets on loopback.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <asio/io_context.hpp>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "common/crypto/hash.h"
#include "common/crypto/os_random.h"
#include "common/crypto/sign.h"
#include "common/wire/broadcast_object.h"
#include "common/wire/datagram_limits.h"
#include "peer-client/broadcast/broadcast_receiver.h"
#include "tests/tools/udp_proxy.h"
#include "udp-relay/io/relay_worker.h"

namespace p2p {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const crypto::SigningKey& ServerKey() {
  static const crypto::SigningKey key = crypto::SigningKey::FromSeed(Secret<32>());
  return key;
}

relay::SignedBroadcastPtr MakeBroadcast(const std::string& text, Random& random,
                                        const std::string& sender = "alice") {
  const WallTime now = SystemClock().Wall();
  const wire::BroadcastObject object{.id = random.NewId<BroadcastId>(),
                                     .sender = sender.empty() ? UserId{} : random.NewId<UserId>(),
                                     .sender_name = sender,
                                     .sent_at = now,
                                     .expires_at = now + std::chrono::minutes(30),
                                     .text_digest = crypto::Sha256(AsBytes(text))};
  auto out = std::make_shared<relay::SignedBroadcast>();
  out->id = object.id;
  out->signed_object = object.Serialize();
  out->signature = ServerKey().Sign(out->signed_object);
  out->text = text;
  return out;
}

class RecordingEvents final : public relay::RelayEvents {
 public:
  void OnDelivered(ConnId session, BroadcastId broadcast) override {
    absl::MutexLock l(&mu_);
    ++delivered_[{session, broadcast}];
  }
  void OnReachable(ConnId session, bool reachable) override {
    absl::MutexLock l(&mu_);
    reachable_[session] = reachable;
  }
  void OnRelayRestarted() override {
    absl::MutexLock l(&mu_);
    ++restarts_;
  }
  size_t DeliveredPairs() {
    absl::MutexLock l(&mu_);
    return delivered_.size();
  }
  size_t Reachable() {
    absl::MutexLock l(&mu_);
    size_t n = 0;
    for (const auto& [conn, up] : reachable_) n += up ? 1 : 0;
    return n;
  }

 private:
  absl::Mutex mu_;
  std::map<std::pair<ConnId, BroadcastId>, int> delivered_;
  std::map<ConnId, bool> reachable_;
  int restarts_ = 0;
};

// One client: receives, remembers, marks shown unless told not to.
class TestClient final : public client::BroadcastListener {
 public:
  TestClient(asio::io_context& io, const std::string& journal, crypto::OsRandom& random,
             const config::Timing& timing)
      : random_(random) {
    auto receiver = client::BroadcastReceiver::Create({.journal_path = journal, .timing = timing},
                                                      io, clock_, random, *this);
    EXPECT_TRUE(receiver.ok()) << receiver.status();
    receiver_ = *std::move(receiver);
  }
  void Attach(relay::RelayPort& port, const net::SocketAddress& relay) {
    conn = random_.NewId<ConnId>();
    Secret<32> psk(random_.Array<32>());
    port.AddSession(conn, psk.Clone());
    client::AttachInfo info;
    info.conn_id = conn;
    info.psk = std::move(psk);
    info.relay = relay;
    info.broadcast_public_key = ServerKey().public_key();
    info.server_time = clock_.Wall();
    receiver_->Attach(std::move(info));
  }
  void OnBroadcast(const client::BroadcastMessage& message) override {
    messages.push_back(message);
    if (mark_shown) receiver_->MarkShown(message.id);
  }
  void OnUdpState(client::UdpState now) override { state = now; }
  void OnJournalFailed(const absl::Status& status) override { journal_status = status; }
  std::vector<std::string> Texts() const {
    std::vector<std::string> out;
    for (const auto& m : messages) out.push_back(m.text);
    return out;
  }
  client::BroadcastReceiver& receiver() { return *receiver_; }

  ConnId conn;
  bool mark_shown = true;
  client::UdpState state = client::UdpState::kOff;
  absl::Status journal_status;
  std::vector<client::BroadcastMessage> messages;

 private:
  SystemClock clock_;
  crypto::OsRandom& random_;
  std::unique_ptr<client::BroadcastReceiver> receiver_;
};

class RelayUdpTest : public ::testing::Test {
 protected:
  RelayUdpTest() {
    char name[] = "/tmp/p2p-relay-test-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~RelayUdpTest() override { std::filesystem::remove_all(directory_); }

  void StartRelay(const std::string& listen) {
    auto socket = relay::OpenRelaySocket(*net::SocketAddress::Parse(listen));
    ASSERT_TRUE(socket.ok()) << socket.status();
    auto worker = relay::RelayWorker::Start(*std::move(socket), relay::OptionsFromTiming(timing_),
                                            clock_, random_, events_);
    ASSERT_TRUE(worker.ok()) << worker.status();
    worker_ = *std::move(worker);
    EXPECT_NE(worker_->address().port, 0);
  }
  std::unique_ptr<TestClient> NewClient(const std::string& name) {
    return std::make_unique<TestClient>(io_, directory_ + "/" + name, random_, timing_);
  }
  net::SocketAddress At(const std::string& ip) const {
    return {*net::IpAddress::Parse(ip), worker_->address().port};
  }
  void Publish(const relay::SignedBroadcastPtr& broadcast,
               const std::vector<std::unique_ptr<TestClient>>& clients) {
    worker_->AddBroadcast(broadcast, clock_.Mono() + 30min);
    for (const auto& c : clients) worker_->Queue(c->conn, broadcast->id);
  }
  // Runs the clients until `done`; false after ten seconds.
  bool RunUntil(const std::function<bool()>& done) {
    const MonoTime end = clock_.Mono() + 10s;
    while (!done()) {
      if (clock_.Mono() > end) return false;
      io_.run_for(std::chrono::milliseconds(5));
      if (io_.stopped()) io_.restart();
    }
    return true;
  }

  SystemClock clock_;
  crypto::OsRandom random_;
  config::Timing timing_;
  std::string directory_;
  RecordingEvents events_;
  asio::io_context io_;
  std::unique_ptr<relay::RelayWorker> worker_;
};

TEST_F(RelayUdpTest, FiftyClientsGetEverythingExactlyOnceWithoutRepeats) {
  // Fifty clients share one thread and one disk here: their fsyncs in a row are not a lost
  // datagram.
  timing_.pto_initial = timing_.pto_min = 1s;
  StartRelay("127.0.0.1:0");
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(NewClient("c" + std::to_string(i)));
    clients.back()->Attach(*worker_, worker_->address());
  }
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 50; }));
  const auto small = MakeBroadcast("hello", random_);
  const auto large = MakeBroadcast(std::string(wire::kMaxBroadcastText, 'x'), random_);
  Publish(small, clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 50; }));
  Publish(large, clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 100; }));
  for (const auto& c : clients) {
    EXPECT_THAT(c->Texts(), ElementsAre("hello", large->text));
    EXPECT_EQ(c->messages[0].sender_name, "alice");
    EXPECT_EQ(c->messages[0].via, client::BroadcastVia::kUdp);
    EXPECT_FALSE(c->messages[0].replayed);
    EXPECT_EQ(c->state, client::UdpState::kWorking);
  }
  const double fragments = 50.0 * (1 + wire::kMaxFragments);
  EXPECT_LE(static_cast<double>(worker_->counters().Get(relay::RelayCount::kFragmentsOut)),
            1.05 * fragments);
}

TEST_F(RelayUdpTest, WildcardSocketAnswersFromTheAddressThatWasAsked) {
  StartRelay("[::]:0");
  std::vector<std::unique_ptr<TestClient>> clients;
  // Connected sockets: an answer from another own address would be dropped by the client's kernel.
  for (const char* ip : {"127.0.0.1", "127.0.0.2", "::1"}) {
    if (std::string(ip) == "::1" && worker_->address().ip.is_v4()) continue;
    clients.push_back(NewClient(ip));
    clients.back()->Attach(*worker_, At(ip));
  }
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == clients.size(); }));
  Publish(MakeBroadcast("to all", random_, ""), clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == clients.size(); }));
  for (const auto& c : clients) {
    EXPECT_THAT(c->Texts(), ElementsAre("to all"));
    EXPECT_EQ(c->messages[0].sender_name, "");
  }
}

TEST_F(RelayUdpTest, OneMessageByBothWaysIsShownOnce) {
  StartRelay("127.0.0.1:0");
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(NewClient("c"));
  TestClient& c = *clients[0];
  const auto b = MakeBroadcast("twice sent", random_);
  EXPECT_EQ(c.receiver().OnChannelBroadcast(b->id, b->signed_object, b->signature, b->text).code(),
            absl::StatusCode::kFailedPrecondition);
  c.Attach(*worker_, worker_->address());
  ASSERT_TRUE(c.receiver().OnChannelBroadcast(b->id, b->signed_object, b->signature, b->text).ok());
  ASSERT_EQ(c.messages.size(), 1u);
  EXPECT_EQ(c.messages[0].via, client::BroadcastVia::kChannel);
  Publish(b, clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 1; }));
  EXPECT_TRUE(c.receiver().OnChannelBroadcast(b->id, b->signed_object, b->signature, b->text).ok());
  EXPECT_EQ(c.messages.size(), 1u);
  EXPECT_EQ(c.receiver().OnChannelBroadcast(b->id, b->signed_object, b->signature, "other").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RelayUdpTest, WhatWasNotMarkedShownComesFirstAtTheNextStart) {
  StartRelay("127.0.0.1:0");
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(NewClient("c"));
  clients[0]->Attach(*worker_, worker_->address());
  Publish(MakeBroadcast("seen", random_), clients);
  ASSERT_TRUE(RunUntil([&] { return clients[0]->messages.size() == 1; }));
  clients[0]->mark_shown = false;
  Publish(MakeBroadcast("unseen", random_), clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 2; }));
  clients[0] = NewClient("c");
  clients[0]->receiver().EmitUnshown();
  ASSERT_THAT(clients[0]->Texts(), ElementsAre("unseen"));
  EXPECT_TRUE(clients[0]->messages[0].replayed);
  clients[0] = NewClient("c");
  clients[0]->receiver().EmitUnshown();
  EXPECT_THAT(clients[0]->Texts(), IsEmpty());
}

TEST_F(RelayUdpTest, AClearedRelayKnowsNobodyAndCanBeFedAnew) {
  StartRelay("127.0.0.1:0");
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(NewClient("c"));
  clients[0]->Attach(*worker_, worker_->address());
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 1 && worker_->sessions() == 1; }));
  worker_->Clear();
  ASSERT_TRUE(RunUntil([&] { return worker_->sessions() == 0; }));
  clients[0]->Attach(*worker_, worker_->address());
  Publish(MakeBroadcast("after", random_), clients);
  EXPECT_TRUE(RunUntil([&] { return clients[0]->messages.size() == 1; }));
}

TEST_F(RelayUdpTest, ADrainEndsWithTheLastAcknowledgement) {
  StartRelay("127.0.0.1:0");
  std::atomic<int> idle = 0;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (const char* name : {"a", "b", "never there"}) clients.push_back(NewClient(name));
  clients[0]->Attach(*worker_, worker_->address());
  clients[1]->Attach(*worker_, worker_->address());
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 2; }));
  clients[2]->conn = random_.NewId<ConnId>();
  worker_->AddSession(clients[2]->conn, Secret<32>());  // Registers never: nobody waits for it.
  Publish(MakeBroadcast("the last", random_), clients);
  worker_->Drain([&] { ++idle; });
  // The clients do not run: nothing is acknowledged, however often it is sent.
  const auto repeated = [&] {
    return worker_->counters().Get(relay::RelayCount::kFragmentsRepeated) >= 4;
  };
  const MonoTime end = clock_.Mono() + 10s;
  while (!repeated() && clock_.Mono() < end) std::this_thread::yield();
  ASSERT_TRUE(repeated());
  EXPECT_EQ(idle, 0);
  ASSERT_TRUE(RunUntil([&] { return idle == 1; }));
  EXPECT_EQ(events_.DeliveredPairs(), 2u);  // Reported before.
  worker_->Drain([&] { ++idle; });
  EXPECT_TRUE(RunUntil([&] { return idle == 2; }));  // With nothing to do: at once.
}

// A NAT between them that gives the client another port again and again, then another address: the
// session goes on, without a new registration.
TEST_F(RelayUdpTest, ASessionSurvivesANatThatRebinds) {
  timing_.relay_ping = 800ms;  // A session moves once a second at most.
  StartRelay("127.0.0.1:0");
  auto proxy = sim::UdpProxy::Start({*net::IpAddress::Parse("127.0.0.1"), 0}, worker_->address(),
                                    {.delay = 1ms, .jitter = 0ms}, 3);
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(NewClient("alice"));
  clients[0]->Attach(*worker_, (*proxy)->address());
  ASSERT_TRUE(RunUntil([&] { return clients[0]->state == client::UdpState::kWorking; }));
  const auto& counters = worker_->counters();
  std::vector<std::string> texts;
  for (const char* ip : {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"}) {
    const uint64_t moved = counters.Get(relay::RelayCount::kMoved);
    (*proxy)->Rebind(*net::IpAddress::Parse(ip));
    texts.push_back(std::string("from ") + ip + " " + std::to_string(texts.size()));
    Publish(MakeBroadcast(texts.back(), random_), clients);
    ASSERT_TRUE(RunUntil([&] {
      return counters.Get(relay::RelayCount::kMoved) > moved &&
             events_.DeliveredPairs() == texts.size();
    })) << texts.back();
  }
  EXPECT_EQ(clients[0]->Texts(), texts);
  EXPECT_EQ(counters.Get(relay::RelayCount::kRegistered), 1u);
}

// UDP is lost for a while: said so, and taken up again by itself.
TEST_F(RelayUdpTest, LostUdpIsNoticedAndComesBack) {
  timing_.relay_ping = 100ms;
  timing_.channel_fallback = 900ms;
  StartRelay("127.0.0.1:0");
  auto proxy = sim::UdpProxy::Start({*net::IpAddress::Parse("127.0.0.1"), 0}, worker_->address(),
                                    {.delay = 1ms, .jitter = 0ms}, 3);
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(NewClient("alice"));
  clients[0]->Attach(*worker_, (*proxy)->address());
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 1; }));
  (*proxy)->Set({.loss = 1});
  ASSERT_TRUE(RunUntil([&] {
    return clients[0]->state == client::UdpState::kUnusable && events_.Reachable() == 0;
  }));
  Publish(MakeBroadcast("meanwhile", random_), clients);
  (*proxy)->Set({.delay = 1ms, .jitter = 0ms});
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 1; }));
  EXPECT_THAT(clients[0]->Texts(), ElementsAre("meanwhile"));
  EXPECT_EQ(clients[0]->state, client::UdpState::kWorking);
}

TEST_F(RelayUdpTest, ClosedPortIsReportedAsUnusable) {
  timing_.channel_fallback = 600ms;
  auto client = NewClient("c");
  {
    StartRelay("127.0.0.1:0");
    client->Attach(*worker_, worker_->address());
    worker_.reset();
  }
  EXPECT_TRUE(RunUntil([&] { return client->state == client::UdpState::kUnusable; }));
}

TEST_F(RelayUdpTest, StrangersGetSilence) {
  StartRelay("127.0.0.1:0");
  const net::UniqueFd stranger(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to;
  const socklen_t size = worker_->address().ToSockaddr(to);
  ASSERT_EQ(connect(stranger.get(), reinterpret_cast<sockaddr*>(&to), size), 0);
  for (const size_t n :
       {size_t{1}, size_t{20}, size_t{64}, size_t{256}, size_t{1200}, size_t{9000}}) {
    const Bytes datagram(n, uint8_t{0x11});
    ASSERT_EQ(send(stranger.get(), datagram.data(), n, 0), static_cast<ssize_t>(n));
  }
  ASSERT_TRUE(
      RunUntil([&] { return worker_->counters().Get(relay::RelayCount::kDatagramsIn) == 6; }));
  pollfd p{.fd = stranger.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&p, 1, 50), 0);
  EXPECT_EQ(worker_->io_counters().Get(relay::IoCount::kSent), 0u);
}

TEST_F(RelayUdpTest, TakenPortIsAnError) {
  StartRelay("127.0.0.1:0");
  EXPECT_EQ(relay::OpenRelaySocket(worker_->address()).status().code(),
            absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace p2p
