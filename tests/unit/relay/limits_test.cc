// What a relay sends and answers at most, whoever asks.
#include <gtest/gtest.h>

#include "tests/unit/relay/village.h"

namespace p2p::relay {
namespace {

TEST(RelayLimitsTest, TheEgressCapHoldsWithAllAnswersInIt) {
  constexpr size_t kClients = 200;
  constexpr double kRate = 50'000, kBurst = 10'000;
  Village village(kClients,
                  {.pto = {}, .egress_bytes_per_second = kRate, .egress_burst_bytes = kBurst});
  village.Admit();
  // Registrations, pings from the right and from other addresses, and a fan-out, all at once and
  // far more than the cap lets through.
  const auto broadcast = village.Make(20'000);
  village.engine.AddBroadcast(broadcast, village.now + 30min);
  for (size_t i = 0; i < kClients; ++i) {
    village.clients[i]->Start(village.conns[i], village.psks[i].Clone(), village.now);
  }
  const MonoTime began = village.now;
  double sent = 0;
  const auto count = [&] {
    sent += static_cast<double>(village.Hear());
    const double seconds = std::chrono::duration<double>(village.now - began).count();
    ASSERT_LE(sent, kRate * seconds + kBurst) << "after " << seconds << " s";
  };
  const auto say = [&](const Bytes& datagram, const net::SocketAddress& from) {
    village.Give(datagram, from);
    count();
  };
  while (village.now < began + 10s) {
    village.now += 10ms;
    for (size_t i = 0; i < kClients; ++i) {
      client::Datagrams said;
      village.clients[i]->Poll(village.now, said);
      for (const Bytes& datagram : said) say(datagram, Village::Address(i));
      if (village.clients[i]->state() != client::UdpState::kWorking) continue;
      say(village.Ping(i), Village::Address(i));
      say(village.Ping(i), Village::Address(i + kClients));
    }
    village.engine.Queue(village.conns, broadcast.id);
    village.Poll();
    count();
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GE(sent, kRate * 9) << "the cap is there to be used";
  EXPECT_GT(village.count.Get(RelayCount::kReplyDropped), 0u);
  EXPECT_GT(village.count.Get(RelayCount::kPathChallenges), 0u);
}

TEST(RelayLimitsTest, AFanOutLeavesRoomForAnswers) {
  constexpr size_t kClients = 20;
  Village village(kClients,
                  {.pto = {}, .egress_bytes_per_second = 100'000, .egress_burst_bytes = 20'000});
  village.Admit();
  village.Register();
  const auto broadcast = village.Make(wire::kMaxBroadcastText);
  village.engine.AddBroadcast(broadcast, village.now + 30min);
  village.engine.Queue(village.conns, broadcast.id);
  for (int i = 0; i < 200; ++i) {  // Nobody acknowledges: there is always more to send.
    village.now += 10ms;
    village.Poll();
    village.out.Clear();
    village.Give(village.Ping(i % kClients), Village::Address(i % kClients));
    ASSERT_FALSE(village.out.empty()) << "ping " << i;
    village.out.Clear();
  }
  EXPECT_EQ(village.count.Get(RelayCount::kReplyDropped), 0u);
}

TEST(RelayLimitsTest, NoMoreThanTwoThousandRegistrationsASecond) {
  constexpr size_t kClients = 7000;
  Village village(kClients);
  village.Admit();
  // A second's worth is saved up; then a second, in ten parts.
  const auto hellos = [&](size_t first, size_t last) {
    size_t answers = 0;
    for (size_t i = first; i < last; ++i) {
      const auto hello = session::MakeHello(village.psks[i], village.conns[i],
                                            village.random.Array<wire::kRandomSize>());
      village.Give(hello, Village::Address(i));
      answers += village.Hear() > 0 ? 1 : 0;
    }
    return answers;
  };
  EXPECT_EQ(hellos(0, 3000), 2000u);
  size_t answers = 0;
  for (size_t part = 0; part < 10; ++part) {
    village.now += 100ms;
    answers += hellos(3000 + part * 400, 3400 + part * 400);
  }
  EXPECT_NEAR(static_cast<double>(answers), 2000, 10);
  EXPECT_EQ(village.count.Get(RelayCount::kRegisterLimited), 7000 - 2000 - answers);
}

}  // namespace
}  // namespace p2p::relay
