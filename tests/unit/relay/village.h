// An engine and the product's own clients with nothing between them: no network, no time but what
// the test lets pass. What the engine takes of memory is counted, what the clients take is not.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "common/wire/broadcast_object.h"
#include "peer-client/broadcast/relay_client.h"
#include "tests/fakes/counted_memory.h"
#include "udp-relay/core/relay_engine.h"

namespace p2p::relay {

class Village final : public RelayEvents {
 public:
  explicit Village(size_t size, RelayOptions options = {}) : engine(options, random, *this, count) {
    for (size_t i = 0; i < size; ++i) {
      conns.push_back(random.NewId<ConnId>());
      psks.emplace_back(random.Array<32>());
      clients.push_back(std::make_unique<client::RelayClient>(
          client::RelayClientOptions{}, random, [](size_t) { return std::vector<BroadcastId>(); }));
      by_address[Address(i)] = i;
    }
  }
  static net::SocketAddress Address(size_t i) {
    return {net::IpAddress::V4(0x0A000001 + static_cast<uint32_t>(i)), 4000};
  }

  void Admit() {
    for (size_t i = 0; i < clients.size(); ++i) {
      memory([&] { engine.AddSession(conns[i], psks[i].Clone()); });
    }
  }
  // All of them register, as fast as the relay answers.
  void Register() {
    for (size_t i = 0; i < clients.size(); ++i) {
      clients[i]->Start(conns[i], psks[i].Clone(), now);
      for (int step = 0; step < 3; ++step) Talk(i);
      if (i % 500 == 499) now += 1s;
    }
  }
  // What client `i` has to say, from `from`, and what it hears.
  void Talk(size_t i, const net::SocketAddress& from) {
    client::Datagrams said;
    clients[i]->Poll(now, said);
    Say(said, from);
  }
  void Talk(size_t i) { Talk(i, Address(i)); }
  // A PING out of turn, worth a challenge, sealed and not sent.
  Bytes Ping(size_t i) {
    constexpr std::array<uint8_t, wire::kPathTokenSize> kPadding{};
    client::Datagrams said;
    clients[i]->Seal(
        [&](wire::SpanWriter& frames) {
          wire::PingFrame{}.SerializeTo(frames);
          wire::WriteFrame(frames, wire::FrameType::kPad, kPadding);
        },
        said);
    return said.at(0);
  }
  void Say(const client::Datagrams& said, const net::SocketAddress& from) {
    for (const Bytes& datagram : said) {
      Give(datagram, from);
      Hear();
    }
  }
  void Give(ByteView datagram, const net::SocketAddress& from) {
    memory([&] { engine.OnDatagram(datagram, {from, {}}, now, out); });
  }
  void Poll() {
    memory([&] { engine.Poll(now, out); });
  }
  // Clients take what is in `out`; returns how many bytes that was.
  size_t Hear() {
    size_t bytes = 0;
    for (size_t n = 0; n < out.size(); ++n) {
      bytes += out[n].bytes.size();
      const auto it = by_address.find(out[n].path.remote);
      if (it == by_address.end()) continue;
      std::array<uint8_t, wire::kMaxFrameBytes> plain;
      const auto received = clients[it->second]->OnDatagram(out[n].bytes, now, plain);
      if (received && on_frames) on_frames(it->second, received->packet_no, received->frames);
    }
    out.Clear();
    return bytes;
  }
  SignedBroadcast Make(size_t text_bytes) {
    SignedBroadcast broadcast;
    broadcast.id = random.NewId<BroadcastId>();
    broadcast.text = std::string(text_bytes, 'x');
    broadcast.signed_object = wire::BroadcastObject{.id = broadcast.id,
                                                    .sender = random.NewId<UserId>(),
                                                    .sender_name = "ann",
                                                    .sent_at = WallFromMs(1'700'000'000'000),
                                                    .expires_at = WallFromMs(1'700'001'800'000)}
                                  .Serialize();
    return broadcast;
  }

  void OnDelivered(ConnId, BroadcastId) override { ++delivered; }
  void OnReachable(ConnId, bool is) override { reachable += is ? 1 : size_t{0} - 1; }
  void OnRelayRestarted() override {}

  MonoTime now{1h};
  SeededRandom random{3};
  RelayCounters count;
  RelayEngine engine;
  testing::MemoryWithin memory;  // What the engine did to it.
  Outbox out{256};
  std::vector<ConnId> conns;
  std::vector<Secret<32>> psks;
  std::vector<std::unique_ptr<client::RelayClient>> clients;
  std::map<net::SocketAddress, size_t> by_address;
  std::function<void(size_t client, uint64_t packet_no, ByteView frames)> on_frames;
  size_t delivered = 0;
  size_t reachable = 0;
};

}  // namespace p2p::relay
