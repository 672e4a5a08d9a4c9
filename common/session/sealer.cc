#include "common/session/sealer.h"

#include <utility>

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
  if (key == &beside_key_ && beside_ == Beside::kNext) EnterNext(now);
  return {.frames = out, .newest = newest};
}

template <uint64_t window>
const SealKey* Opener<window>::KeyFor(uint8_t epoch, MonoTime now) {
  if (beside_ == Beside::kPrevious && now >= previous_ends_) {
    beside_key_ = SealKey();
    beside_ = Beside::kNone;
  }
  if (epoch == LowBits(epoch_)) return &key_;
  if (beside_ == Beside::kPrevious) return epoch == LowBits(epoch_ - 1) ? &beside_key_ : nullptr;
  if (epoch != LowBits(epoch_ + 1)) return nullptr;
  // Made at the first claim of it, true or not, and once in an epoch.
  if (beside_ == Beside::kNone) {
    beside_key_ = DeriveNextKey(key_, conn_id_, epoch_ + 1);
    beside_ = Beside::kNext;
  }
  return &beside_key_;
}

template <uint64_t window>
void Opener<window>::EnterNext(MonoTime now) {
  std::swap(key_, beside_key_);
  beside_ = Beside::kPrevious;
  previous_ends_ = now + wire::kOldEpochLife;
  ++epoch_;
}

template class Opener<wire::kReplayWindowPackets>;
template class Opener<wire::kRelayReplayWindowPackets>;

}  // namespace p2p::session
