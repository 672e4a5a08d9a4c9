// The relay as a state machine: any orders, any datagrams from strangers, any frames under valid
// keys, any passing of time. Clients are the product's own.
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/hash.h"
#include "common/wire/broadcast_object.h"
#include "peer-client/broadcast/relay_client.h"
#include "tests/fuzz/op_stream.h"
#include "tests/tools/source_watch.h"
#include "udp-relay/core/relay_engine.h"

namespace {

using namespace p2p;

constexpr size_t kClients = 4;
constexpr size_t kBroadcasts = 4;
constexpr size_t kTextBytes[kBroadcasts] = {0, 200, 1500, 9000};

ConnId Conn(size_t i) { return ConnId{{static_cast<uint8_t>(i + 1)}}; }
Secret<32> Psk(size_t i) { return Secret<32>({static_cast<uint8_t>(i + 1), 7}); }
BroadcastId Id(size_t i) { return BroadcastId{{static_cast<uint8_t>(i + 1)}}; }

// Made once: it is the same in every run.
const relay::SignedBroadcast& Broadcast(size_t i) {
  static const auto all = [] {
    std::array<relay::SignedBroadcast, kBroadcasts> out;
    for (size_t n = 0; n < kBroadcasts; ++n) {
      out[n].id = Id(n);
      out[n].text = std::string(kTextBytes[n], 'x');
      out[n].signed_object =
          wire::BroadcastObject{.id = Id(n),
                                .sender = UserId{{9}},
                                .sender_name = "ann",
                                .sent_at = WallFromMs(1'700'000'000'000),
                                .expires_at = WallFromMs(1'700'001'800'000),
                                .text_digest = crypto::Sha256(AsBytes(out[n].text))}
              .Serialize();
    }
    return out;
  }();
  return all[i];
}

class World final : public relay::RelayEvents {
 public:
  World() : random_(1), engine_(Options(), random_, *this, counters_) {
    for (size_t i = 0; i < kClients; ++i) {
      clients_.push_back(
          std::make_unique<client::RelayClient>(client::RelayOptionsFromTiming({}), random_,
                                                [](size_t) { return std::vector<BroadcastId>(); }));
    }
  }

  void Step(fuzz::OpStream& in) {
    const uint8_t op = in.U8();
    const size_t i = in.U8() % kClients;
    switch (op % 12) {
      case 0:
        engine_.AddSession(Conn(i), Psk(i));
        reachable_.erase(Conn(i));  // Its owner knows, without being told.
        // Whatever was under way before belongs to nobody now.
        clients_[i]->Start(Conn(i), Psk(i), now_);
        break;
      case 1:
        engine_.RemoveSession(Conn(i));
        reachable_.erase(Conn(i));
        break;
      case 2:
        engine_.AddBroadcast(Broadcast(i), now_ + std::chrono::seconds(in.U8()));
        break;
      case 3:
        engine_.RemoveBroadcast(Id(i));
        break;
      case 4: {
        const ConnId to[] = {Conn(i), Conn(in.U8() % kClients)};
        engine_.Queue(to, Id(in.U8() % kBroadcasts));
        break;
      }
      case 5:
        now_ += std::chrono::milliseconds(in.U16());
        break;
      case 6:
        Give(in.Take(in.U16() % 1300), Address(i + kClients));
        break;
      case 7:
        Say(i, in.Take(in.U16() % wire::kMaxFrameBytes), Address(i));
        break;
      case 8:  // From an address of the input's choice.
        Say(i, in.Take(in.U8()), Address(in.U8()));
        break;
      case 9:
        Poll(i);
        break;
      case 10:
        if (in.U8() != 0) break;
        engine_.Clear();
        reachable_.clear();
        break;
      default:
        if (!seen_.empty()) {  // Something old, once more, perhaps damaged, from somewhere.
          Bytes again = seen_[in.U16() % seen_.size()];
          if (const uint8_t flip = in.U8(); flip != 0) again[flip % again.size()] ^= flip;
          Give(again, Address(in.U8()));
        }
    }
    Send();
  }

 private:
  static relay::RelayOptions Options() {
    relay::RelayOptions out;
    out.max_queued_per_session = 3;
    out.max_broadcasts = 3;
    out.max_sessions = 3;
    return out;
  }
  static net::SocketAddress Address(size_t i) {
    return {net::IpAddress::V4(0x0A000001 + static_cast<uint32_t>(i)), 4000};
  }

  void OnDelivered(ConnId conn, BroadcastId id) override {
    P2P_CHECK(conn.view()[0] <= kClients && id.view()[0] <= kBroadcasts);
  }
  void OnReachable(ConnId conn, bool is) override {
    // Told once each way.
    P2P_CHECK(is ? reachable_.insert(conn).second : reachable_.erase(conn) == 1);
  }
  void OnRelayRestarted() override {}

  void Poll(size_t i) {
    client::Datagrams out;
    clients_[i]->Poll(now_, out);
    for (const Bytes& datagram : out) Give(datagram, Address(i));
  }
  void Say(size_t i, ByteView frames, const net::SocketAddress& from) {
    client::Datagrams out;
    clients_[i]->Seal([&](wire::SpanWriter& area) { area.Append(frames); }, out);
    for (const Bytes& datagram : out) Give(datagram, from);
  }
  // Nobody gets back more than came from there, in answers; to the proved address goes no more than
  // was asked. What leaves otherwise Deliver() looks at.
  void Give(ByteView datagram, const net::SocketAddress& from) {
    if (seen_.size() < 200 && !datagram.empty()) seen_.push_back(ToBytes(datagram));
    given_[from] += datagram.size();
    relay::Outbox out(4);
    watch_.In(from, datagram);
    const uint64_t moved = counters_.Get(relay::RelayCount::kMoved);
    engine_.Expect(datagram);
    engine_.OnDatagram(datagram, {from, {}}, now_, out);
    if (counters_.Get(relay::RelayCount::kMoved) > moved) watch_.Moved();
    P2P_CHECK(out.size() <= 1);
    if (out.empty()) return;
    if (out[0].path.remote == from) {
      P2P_CHECK((answered_[from] += out[0].bytes.size()) <= given_[from]);
    } else {
      P2P_CHECK(out[0].bytes.size() <= datagram.size());
    }
    Deliver(out);
  }
  void Send() {
    relay::Outbox out(64);
    for (int turns = 0; turns < 1000; ++turns) {
      const auto next = engine_.NextDeadline();
      if (next && *next > now_) break;
      engine_.Poll(now_, out);
      if (out.empty()) break;
      Deliver(out);
    }
    P2P_CHECK(engine_.sessions() <= Options().max_sessions);
    P2P_CHECK(engine_.broadcasts() <= Options().max_broadcasts);
  }
  // To whoever is there; clients do not answer by themselves.
  void Deliver(relay::Outbox& out) {
    for (size_t n = 0; n < out.size(); ++n) {
      P2P_CHECK(out[n].bytes.size() <= wire::kMaxDatagram);
      watch_.Out(out[n].path.remote, out[n].bytes);
      P2P_CHECK(watch_.wrong().empty());
      for (size_t i = 0; i < kClients; ++i) {
        if (out[n].path.remote != Address(i)) continue;
        std::array<uint8_t, wire::kMaxFrameBytes> plain;
        (void)clients_[i]->OnDatagram(out[n].bytes, now_, plain);
      }
    }
    out.Clear();
  }

  SeededRandom random_;
  relay::RelayCounters counters_;
  MonoTime now_{1h};
  relay::RelayEngine engine_;
  std::vector<std::unique_ptr<client::RelayClient>> clients_;
  std::set<ConnId> reachable_;
  std::vector<Bytes> seen_;
  std::map<net::SocketAddress, size_t> given_, answered_;  // Bytes.
  sim::SourceWatch watch_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  World world;
  fuzz::OpStream in(ByteView(data, std::min<size_t>(size, 2000)));
  while (!in.empty()) world.Step(in);
  return 0;
}
