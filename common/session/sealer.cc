#include "common/session/sealer.h"

#include "common/base/check.h"

namespace p2p::session {
namespace {

uint8_t LowBits(uint32_t epoch) { return static_cast<uint8_t>(epoch); }

}  // namespace

Sealer::Sealer(SealKey key, ConnId conn_id, uint32_t epoch)
    : key_(std::move(key)), conn_id_(conn_id), epoch_(epoch) {}

void Sealer::Advance(MonoTime now) {
  if (epoch_began_ == MonoTime{}) epoch_began_ = now;
  if (now - epoch_began_ < wire::kEpochLife && next_ - epoch_first_ < wire::kEpochPackets) return;
  key_ = DeriveNextKey(key_, conn_id_, ++epoch_);
  epoch_began_ = now;
  epoch_first_ = next_;
}

size_t Sealer::Seal(Ciphers& ciphers, std::span<uint8_t> datagram, size_t frame_bytes) {
  P2P_CHECK(!exhausted());
  P2P_CHECK(frame_bytes > 0 && frame_bytes <= FrameArea(datagram).size());
  const uint64_t packet_no = next_++;
  const auto header_bytes = datagram.first(wire::kDatagramHeaderSize);
  wire::SpanWriter header(header_bytes);
  wire::DataHeader{.epoch = LowBits(epoch_), .conn_id = conn_id_, .packet_no = packet_no}
      .SerializeTo(header);
  const auto body = datagram.subspan(wire::kDatagramHeaderSize, frame_bytes + wire::kSealTagSize);
  ciphers.seal.Seal(key_.key, MakeNonce(key_.iv, packet_no), header_bytes, body.first(frame_bytes),
                    body);
  return wire::kDatagramHeaderSize + body.size();
}

template <uint64_t window>
Opener<window>::Opener(SealKey key, ConnId conn_id, uint32_t epoch)
    : key_(std::move(key)), conn_id_(conn_id), epoch_(epoch) {}

template <uint64_t window>
auto Opener<window>::Open(Ciphers& ciphers, const wire::DataHeader& header, ByteView datagram,
                          MonoTime now, std::span<uint8_t> plain) -> Result {
  const SealKey* key = KeyFor(header.epoch, now);
  if (key == nullptr) return {.error = OpenError::kEpoch};
  const ByteView sealed = datagram.subspan(wire::kDatagramHeaderSize);
  const auto out = plain.first(sealed.size() - wire::kSealTagSize);
  if (!ciphers.open.Open(key->key, MakeNonce(key->iv, header.packet_no),
                         datagram.first(wire::kDatagramHeaderSize), sealed, out)) {
    return {.error = OpenError::kTag};
  }
  const bool newest = header.packet_no > window_.newest();
  if (!window_.Accept(header.packet_no)) return {.error = OpenError::kReplay};
  if (neighbours_ && key == &neighbours_->next) EnterNext(now);
  return {.frames = out, .newest = newest};
}

template <uint64_t window>
const SealKey* Opener<window>::KeyFor(uint8_t epoch, MonoTime now) {
  if (epoch == LowBits(epoch_)) return &key_;
  if (epoch == LowBits(epoch_ + 1)) {
    // Made at the first claim of it, true or not, and once.
    if (!neighbours_) {
      neighbours_ = std::make_unique<Neighbours>();
      neighbours_->next = DeriveNextKey(key_, conn_id_, epoch_ + 1);
    }
    return &neighbours_->next;
  }
  if (epoch == LowBits(epoch_ - 1) && neighbours_ && neighbours_->previous &&
      now < neighbours_->previous_ends) {
    return &*neighbours_->previous;
  }
  return nullptr;
}

template <uint64_t window>
void Opener<window>::EnterNext(MonoTime now) {
  neighbours_->previous = std::move(key_);
  neighbours_->previous_ends = now + wire::kOldEpochLife;
  key_ = std::move(neighbours_->next);
  ++epoch_;
  neighbours_->next = DeriveNextKey(key_, conn_id_, epoch_ + 1);
}

template class Opener<wire::kReplayWindowPackets>;
template class Opener<wire::kRelayReplayWindowPackets>;

}  // namespace p2p::session
