// Several workers behind one port, and datagrams for one client that leave together.
#include <gmock/gmock.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

#include "tests/integration/relay_udp_fixture.h"
#include "udp-relay/io/send_batch.h"
#include "udp-relay/io/shared_port.h"

namespace p2p {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;

class RelayWorkersTest : public RelayUdpTest {
 protected:
  std::vector<std::unique_ptr<TestClient>> Attached(size_t count) {
    std::vector<std::unique_ptr<TestClient>> out;
    for (size_t i = 0; i < count; ++i) {
      out.push_back(NewClient("c" + std::to_string(i)));
      out.back()->Attach(*worker_, worker_->address());
    }
    return out;
  }
  std::vector<uint64_t> DeliveredByEach() const {
    std::vector<uint64_t> out;
    for (size_t i = 0; i < worker_->size(); ++i) {
      out.push_back(worker_->worker(i).counters().Get(relay::RelayCount::kDelivered));
    }
    return out;
  }
};

TEST_F(RelayWorkersTest, EachServesItsShareAndNoDatagramGoesAstray) {
  setup_.workers = 3;
  timing_.pto_initial = timing_.pto_min = 1s;
  for (const char* listen : {"127.0.0.1:0", "[::]:0"}) {
    StartRelay(listen);
    ASSERT_EQ(worker_->size(), 3u);
    auto clients = Attached(0);
    for (size_t i = 0; i < 30; ++i) {
      clients.push_back(NewClient(std::string(listen) + std::to_string(i)));
      clients.back()->Attach(*worker_, At("127.0.0.1"));
    }
    ASSERT_TRUE(RunUntil(
        [&] { return worker_->sessions() == 30 && Count(relay::RelayCount::kRegistered) == 30; }));
    std::vector<ConnId> all;
    for (const auto& c : clients) all.push_back(c->conn);
    const size_t before = events_.DeliveredPairs();
    const auto large = MakeBroadcast(std::string(wire::kMaxBroadcastText, 'x'), random_);
    worker_->AddBroadcast(large, clock_.Mono() + 30min);
    worker_->QueueForAll(all, large->id);
    ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == before + 30; }));
    for (const auto& c : clients) EXPECT_THAT(c->Texts(), ElementsAre(large->text));
    EXPECT_THAT(DeliveredByEach(), Each(Gt(0u)));
    EXPECT_EQ(Count(relay::RelayCount::kUnknownSession), 0u) << "a datagram at the wrong worker";
  }
}

TEST_F(RelayWorkersTest, AHundredBroadcastsToTenThousandSessionsAtOnceAreOrderedWithoutOverflow) {
  StartRelay("127.0.0.1:0");
  std::vector<ConnId> everybody;
#if defined(__SANITIZE_ADDRESS__)
  constexpr size_t kSessions = 1'000;  // A checked build carries out a million orders in minutes.
#else
  constexpr size_t kSessions = 10'000;
#endif
  for (size_t i = 0; i < kSessions; ++i) {
    everybody.push_back(random_.NewId<ConnId>());
    worker_->AddSession(everybody.back(), Secret<32>());
  }
  std::vector<relay::SignedBroadcastPtr> broadcasts;
  const auto feed = [&] {
    for (const auto& broadcast : broadcasts) {
      worker_->AddBroadcast(broadcast, clock_.Mono() + 30min);
      worker_->QueueForAll(everybody, broadcast->id);
    }
  };
  for (int i = 0; i < 100; ++i) broadcasts.push_back(MakeBroadcast("hello", random_));
  feed();
  feed();  // And once more, as when it restarted, while it is still busy.
  auto client = NewClient("the last");
  client->Attach(*worker_, worker_->address());
  worker_->Queue(client->conn, broadcasts.back()->id);
  ASSERT_TRUE(
      RunUntil([&] { return events_.DeliveredPairs() == 1; }));  // All before was carried out.
  EXPECT_EQ(Count(relay::IoCount::kOrderOverflow), 0u);
  EXPECT_EQ(worker_->sessions(), kSessions + 1);
}

TEST_F(RelayWorkersTest, ADrainWaitsForAllOfThem) {
  setup_.workers = 2;
  StartRelay("127.0.0.1:0");
  const auto clients = Attached(8);
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 8; }));
  Publish(MakeBroadcast("the last", random_), clients);
  std::atomic<int> idle = 0;
  size_t pairs_then = 0;
  worker_->Drain([&] {
    pairs_then = events_.DeliveredPairs();
    ++idle;
  });
  ASSERT_TRUE(RunUntil([&] { return idle == 1; }));
  EXPECT_EQ(pairs_then, 8u);
}

TEST_F(RelayWorkersTest, APortThatSomebodyHasIsAnErrorAlsoWhenHeWouldShareIt) {
  setup_.workers = 2;
  StartRelay("127.0.0.1:0");
  for (const size_t count : {size_t{1}, size_t{2}}) {
    EXPECT_EQ(relay::OpenRelaySockets(worker_->address(), count).status().code(),
              absl::StatusCode::kAlreadyExists);
  }
}

TEST_F(RelayWorkersTest, WhatAnOperatorMayChoose) {
  EXPECT_TRUE(relay::RelaySetup{}.Check().ok());
  EXPECT_FALSE(relay::RelaySetup{.workers = 0}.Check().ok());
  EXPECT_FALSE(relay::RelaySetup{.workers = 65}.Check().ok());
  EXPECT_FALSE(relay::RelaySetup{.egress_mbit = 0}.Check().ok());
  // The cap is for all together.
  const auto one = relay::ForOneWorker({}, {.workers = 4, .egress_mbit = 80});
  EXPECT_DOUBLE_EQ(one.egress_bytes_per_second * 4, 10e6);
}

// 60 KiB are 55 datagrams for one client, of which ten may leave at once.
TEST_F(RelayWorkersTest, DatagramsForOneClientLeaveTogether) {
  StartRelay("127.0.0.1:0");
  const auto clients = Attached(1);
  ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 1; }));
  const auto large = MakeBroadcast(std::string(wire::kMaxBroadcastText, 'x'), random_);
  Publish(large, clients);
  ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 1; }));
  EXPECT_THAT(clients[0]->Texts(), ElementsAre(large->text));
  EXPECT_GE(Count(relay::IoCount::kSegmented), 9u) << "each datagram was a message of its own";
}

// A network of this thread's own, in which 127.0.0.5 is behind a link of 600 bytes. False when that
// is not allowed here.
bool EnterNetworkWithASmallMtu() {
  return unshare(CLONE_NEWNET) == 0 && std::system("ip link set lo up") == 0 &&
         std::system("ip route add local 127.0.0.5 dev lo table local mtu 600") == 0;
}

TEST_F(RelayWorkersTest, WhoTakesNoJoinedDatagramsGetsThemOneByOneAndTheOthersDoNot) {
  std::thread([this] {
    if (!EnterNetworkWithASmallMtu()) {
      std::cout << "skipped: no right to make a network of its own" << std::endl;
      return;
    }
    StartRelay("0.0.0.0:0");
    // The address that a client speaks to is the one that its answers come from.
    auto clients = Attached(0);
    for (const char* ip : {"127.0.0.5", "127.0.0.6"}) {
      clients.push_back(NewClient(ip));
      clients.back()->Attach(*worker_, At(ip));
    }
    ASSERT_TRUE(RunUntil([&] { return events_.Reachable() == 2; }));
    const auto large = MakeBroadcast(std::string(wire::kMaxBroadcastText, 'x'), random_);
    Publish(large, clients);
    ASSERT_TRUE(RunUntil([&] { return events_.DeliveredPairs() == 2; }));
    for (const auto& c : clients) EXPECT_THAT(c->Texts(), ElementsAre(large->text));
    EXPECT_EQ(Count(relay::IoCount::kSegmentsRefused), 1u) << "asked once";
    EXPECT_EQ(Count(relay::IoCount::kSendRefused), 0u);
    EXPECT_GE(Count(relay::IoCount::kSegmented), 9u) << "the other one's";
    worker_.reset();
  }).join();
}

class SendBatchTest : public ::testing::Test {
 protected:
  void Add(size_t size, uint16_t port, uint32_t ip = 0x7F000001) {
    auto buffer = out_.Begin();
    std::fill_n(buffer.begin(), size, uint8_t{1});
    out_.Commit(size, {.remote = {net::IpAddress::V4(ip), port}, .local = {}});
  }
  std::vector<size_t> Messages(bool segments) {
    batch_.Fill(out_, {.v6 = false, .local = false, .segments = segments});
    std::vector<size_t> out;
    for (size_t i = 0; i < batch_.size(); ++i) {
      out.push_back(batch_.Datagrams(i + 1) - batch_.Datagrams(i));
    }
    return out;
  }
  relay::Outbox out_{64};
  relay::SendBatch batch_;
};

TEST_F(SendBatchTest, JoinsWhatFollowsEachOtherForOneClientInOneSize) {
  for (const size_t size : {1200, 1200, 1200, 700}) Add(size, 1);  // A shorter one ends it.
  Add(700, 1);
  Add(700, 2);   // Somebody else.
  Add(1200, 2);  // A longer one begins another.
  Add(1200, 1);
  EXPECT_THAT(Messages(true), ElementsAre(4, 1, 1, 1, 1));
  EXPECT_THAT(Messages(false), Each(1u));
}

TEST_F(SendBatchTest, NoMoreThanAMessageHolds) {
  for (int i = 0; i < 40; ++i) Add(1200, 1);
  EXPECT_THAT(Messages(true), ElementsAre(16, 16, 8));
}

TEST_F(SendBatchTest, NothingIsJoinedForWhoRefusedIt) {
  for (int i = 0; i < 3; ++i) Add(1200, 1);
  for (int i = 0; i < 3; ++i) Add(1200, 1, 0x7F000002);
  batch_.SendSingly(net::IpAddress::V4(0x7F000002));
  EXPECT_THAT(Messages(true), ElementsAre(3, 1, 1, 1));
}

}  // namespace
}  // namespace p2p
