// The relay's worker and the client's receiver over real sockets on loopback.
#include "tests/integration/relay_udp_fixture.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/tools/udp_proxy.h"

namespace p2p {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
  EXPECT_LE(static_cast<double>(Count(relay::RelayCount::kFragmentsOut)), 1.05 * fragments);
}

TEST_F(RelayUdpTest, TakenBackWhileItsDatagramsAreOnTheirWayItIsNeitherShownNorCounted) {
  StartRelay("127.0.0.1:0");
  std::vector<std::unique_ptr<TestClient>> clients;
  for (const char* name : {"told first", "told later"}) {
    clients.push_back(NewClient(name));
    clients.back()->Attach(*worker_, worker_->address());
  }
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 2; }));
  const auto oops = MakeBroadcast("oops", random_);
  bool has = true;
  EXPECT_FALSE(clients[0]->receiver().TakeBack(oops->id, has));
  EXPECT_FALSE(has);
  Publish(oops, clients);  // A relay that was not told yet.
  const auto mark = MakeBroadcast("mark", random_);
  Publish(mark, clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 3; }));
  const auto shown = clients[1]->receiver().TakeBack(oops->id, has);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(has);
  EXPECT_EQ(clients[1]->receiver().Via(oops->id), client::BroadcastVia::kUdp);
  // It is sent again and again; nothing comes of it.
  const uint64_t fragments = Count(relay::RelayCount::kFragmentsOut);
  ASSERT_TRUE(RunUntil([&] { return Count(relay::RelayCount::kFragmentsOut) >= fragments + 3; }));
  EXPECT_THAT(clients[0]->Texts(), ElementsAre("mark"));
  EXPECT_EQ(events_.DeliveredPairs(), 3u);
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
  const auto repeated = [&] { return Count(relay::RelayCount::kFragmentsRepeated) >= 4; };
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
  std::vector<std::string> texts;
  for (const char* ip : {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"}) {
    const uint64_t moved = Count(relay::RelayCount::kMoved);
    (*proxy)->Rebind(*net::IpAddress::Parse(ip));
    texts.push_back(std::string("from ") + ip + " " + std::to_string(texts.size()));
    Publish(MakeBroadcast(texts.back(), random_), clients);
    ASSERT_TRUE(RunUntil([&] {
      return Count(relay::RelayCount::kMoved) > moved && events_.DeliveredPairs() == texts.size();
    })) << texts.back();
  }
  EXPECT_EQ(clients[0]->Texts(), texts);
  EXPECT_EQ(Count(relay::RelayCount::kRegistered), 1u);
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

// Everything a network does to datagrams, on real sockets and each way by itself: once each.
TEST_F(RelayUdpTest, ABadNetworkLosesAndDoublesNothing) {
  struct Case {
    const char* name;
    sim::Impairment up, down;
  };
  const sim::Impairment good{.delay = 1ms, .jitter = 1ms};
  const auto with = [&](auto... set) {
    sim::Impairment out = good;
    (set(out), ...);
    return out;
  };
  const auto reorder = with([](auto& i) { i.reorder = 0.3, i.reorder_delay = 20ms; });
  const auto duplicate = with([](auto& i) { i.duplicate = 0.5; });
  const auto corrupt = with([](auto& i) { i.corrupt = 0.2; });
  const auto truncate = with([](auto& i) { i.truncate = 0.2; });
  const auto narrow = with([](auto& i) { i.bandwidth = 100'000, i.max_queue = 50ms; });
  const auto lossy = with([](auto& i) { i.loss = 0.4; });
  const Case cases[] = {{"reorder", reorder, reorder},
                        {"duplicate", duplicate, duplicate},
                        {"corrupt", corrupt, corrupt},
                        {"truncate", truncate, truncate},
                        {"bandwidth", good, narrow},
                        {"loss towards the clients", good, lossy},
                        {"loss towards the relay", lossy, good}};
  StartRelay("127.0.0.1:0");
  auto proxy =
      sim::UdpProxy::Start({*net::IpAddress::Parse("127.0.0.1"), 0}, worker_->address(), good, 3);
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (const char* name : {"a", "b", "c"}) {
    clients.push_back(NewClient(name));
    clients.back()->Attach(*worker_, (*proxy)->address());
  }
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 3; }));
  std::vector<std::string> texts;
  for (const Case& c : cases) {
    (*proxy)->Set(c.up, c.down);
    for (const size_t size : {size_t{50}, size_t{20'000}}) {
      texts.push_back(std::string(c.name) + std::string(size, 'x'));
      Publish(MakeBroadcast(texts.back(), random_), clients);
    }
    ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 3 * texts.size(); })) << c.name;
  }
  for (const auto& client : clients) {
    EXPECT_THAT(client->Texts(), ::testing::UnorderedElementsAreArray(texts));
  }
  EXPECT_EQ(Count(relay::RelayCount::kRegistered), 3u) << "one session throughout";
  EXPECT_GT(Count(relay::RelayCount::kBadTag), 0u) << "corrupt";
  EXPECT_GT(Count(relay::RelayCount::kReplayed), 0u) << "duplicate";
  EXPECT_GT(Count(relay::RelayCount::kFragmentsRepeated), 0u);
}

TEST_F(RelayUdpTest, TheProxyLosesOneWayOnly) {
  StartRelay("127.0.0.1:0");
  auto proxy = sim::UdpProxy::Start({*net::IpAddress::Parse("127.0.0.1"), 0}, worker_->address(),
                                    {.delay = 0ms, .jitter = 0ms}, 3);
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  (*proxy)->Set({.delay = 0ms, .jitter = 0ms}, {.loss = 1});
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(NewClient("alice"));
  clients[0]->Attach(*worker_, (*proxy)->address());
  ASSERT_TRUE(RunUntil([&] { return (*proxy)->down().came >= 3; }));
  EXPECT_EQ((*proxy)->up().lost(), 0);
  EXPECT_EQ((*proxy)->down().went, 0u);
  EXPECT_EQ(Count(relay::RelayCount::kRegistered), 0u);
  (*proxy)->Set({.loss = 1}, {.delay = 0ms, .jitter = 0ms});
  const uint64_t in = Count(relay::RelayCount::kDatagramsIn);
  const uint64_t came = (*proxy)->up().came;
  ASSERT_TRUE(RunUntil([&] { return (*proxy)->up().came >= came + 3; }));
  EXPECT_LE(Count(relay::RelayCount::kDatagramsIn), in + 1) << "one may have been on its way";
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
  ASSERT_TRUE(RunUntil([&] { return Count(relay::RelayCount::kDatagramsIn) == 6; }));
  pollfd p{.fd = stranger.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&p, 1, 50), 0);
  EXPECT_EQ(Count(relay::IoCount::kSent), 0u);
}

TEST_F(RelayUdpTest, TakenPortIsAnError) {
  StartRelay("127.0.0.1:0");
  EXPECT_EQ(relay::OpenRelaySocket(worker_->address()).status().code(),
            absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace p2p
