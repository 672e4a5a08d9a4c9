// A client's receiver as a state machine: any datagrams, any frames under valid keys, any passing
// of time, messages that become durable late. The relay's side of the keys is made here.
#include <map>
#include <set>

#include "common/base/check.h"
#include "common/session/registration.h"
#include "peer-client/broadcast/receiver_core.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;

const ConnId kConn{{1}};
Secret<32> Psk() { return Secret<32>({7}); }
BroadcastId Id(uint8_t i) { return BroadcastId{{static_cast<uint8_t>(1 + i % 12)}}; }

class World final : public client::ReceiverCore::Inbox {
 public:
  World() : random_(1), core_({}, random_, *this) { core_.Start(kConn, Psk(), now_); }

  void Step(fuzz::OpStream& in) {
    switch (in.U8() % 8) {
      case 0:
        Give(in.Take(in.U16() % 1300));
        break;
      case 1:
        Say(in.Take(in.U16() % wire::kMaxFrameBytes));
        break;
      case 2:
        SayFragment(in);
        break;
      case 3:
        now_ += std::chrono::milliseconds(in.U16());
        break;
      case 4: {
        const BroadcastId id = Id(in.U8());
        if (waiting_.erase(id) == 1) durable_.insert(id);
        if (durable_.contains(id)) core_.Done(id, now_);
        break;
      }
      case 5:
        core_.Start(kConn, Psk(), now_);
        break;
      case 6:
        if (!seen_.empty()) Give(seen_[in.U16() % seen_.size()]);
        break;
      default: {
        wire::AckWindowFrame window{in.U16()};
        std::array<uint8_t, 8> bytes;
        wire::SpanWriter out(bytes);
        window.SerializeTo(out);
        Say(out.written());
      }
    }
    Answer();
  }

 private:
  Known Find(BroadcastId id) const override {
    if (durable_.contains(id)) return Known::kDurable;
    return waiting_.contains(id) ? Known::kNotYetDurable : Known::kNo;
  }
  std::vector<BroadcastId> Newest(size_t max) const override {
    std::vector<BroadcastId> out(durable_.begin(), durable_.end());
    out.resize(std::min(out.size(), max));
    return out;
  }
  void OnPayload(BroadcastId id, ByteView payload) override {
    P2P_CHECK(Find(id) == Known::kNo);  // Never twice.
    P2P_CHECK(!payload.empty() && payload.size() <= wire::kMaxBroadcastPayload);
    waiting_.insert(id);
  }

  void Give(ByteView datagram) {
    if (seen_.size() < 200 && !datagram.empty()) seen_.push_back(ToBytes(datagram));
    core_.OnDatagram(datagram, now_);
  }
  void Say(ByteView frames) {
    if (!sealer_ || frames.empty()) return;
    std::array<uint8_t, wire::kMaxDatagram> buffer;
    std::copy(frames.begin(), frames.end(), session::Sealer::FrameArea(buffer).begin());
    Give(ByteView(buffer).first(sealer_->Seal(ciphers_, buffer, frames.size())));
  }
  // One that may well be valid.
  void SayFragment(fuzz::OpStream& in) {
    const BroadcastId id = Id(in.U8());
    const size_t total = 1 + in.U16() % wire::kMaxBroadcastPayload;
    const auto count = static_cast<uint16_t>(wire::FragmentCount(total));
    const auto index = static_cast<uint16_t>(in.U8() % count);
    const Bytes bytes(wire::FragmentSize(total, index), in.U8());
    std::array<uint8_t, wire::kMaxFrameBytes> area;
    wire::SpanWriter out(area);
    wire::FragmentFrame{.id = id,
                        .index = index,
                        .count = count,
                        .total = static_cast<uint32_t>(total),
                        .bytes = bytes}
        .SerializeTo(out);
    Say(out.written());
  }

  // The relay's side of a registration; what else the client sends is counted.
  void Answer() {
    client::Datagrams out;
    core_.Poll(now_, out);
    (void)core_.TakeSocketWish();
    P2P_CHECK(out.size() <= 8);
    for (const Bytes& datagram : out) {
      P2P_CHECK(datagram.size() <= wire::kMaxDatagram);
      const auto packet = wire::RegisterPacket::Parse(datagram);
      if (!packet) continue;
      if (!packet->with_cookie) {
        Give(session::MakeChallenge(Psk(), kConn, packet->client_random, {}));
      } else if (const auto body = session::OpenRegisterBody(Psk(), *packet)) {
        Admit(*packet, *body);
      }
    }
    // Asked when it said so, it has something to do or says another time.
    if (const auto next = core_.NextDeadline(); next && *next <= now_) {
      client::Datagrams more;
      core_.Poll(now_, more);
    }
  }
  void Admit(const wire::RegisterPacket& packet, const wire::RegisterBody& body) {
    const auto server_random = random_.Array<wire::kRandomSize>();
    sealer_.emplace(session::DeriveSessionKey(Psk(), packet.client_random, server_random, kConn,
                                              session::Direction::kToClient, 0),
                    kConn, 0);
    Give(session::MakeRegistered(
        Psk(), kConn, packet.client_random, server_random,
        {.epoch = 0, .retention_ms = 1'800'000, .ping_ms = 15'000, .reg_seq = body.reg_seq}));
  }

  SeededRandom random_;
  MonoTime now_{1h};
  std::set<BroadcastId> waiting_, durable_;
  client::ReceiverCore core_;
  session::Ciphers ciphers_;
  std::optional<session::Sealer> sealer_;
  std::vector<Bytes> seen_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  World world;
  fuzz::OpStream in(ByteView(data, std::min<size_t>(size, 2000)));
  while (!in.empty()) world.Step(in);
  return 0;
}
