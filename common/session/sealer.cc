#include "common/session/sealer.h"

#include "common/base/check.h"

namespace p2p::session {

Sealer::Sealer(SealKey key, ConnId conn_id, uint32_t epoch)
    : key_(std::move(key)), conn_id_(conn_id), epoch_(static_cast<uint8_t>(epoch)) {}

size_t Sealer::Seal(Ciphers& ciphers, std::span<uint8_t> datagram, size_t frame_bytes) {
  P2P_CHECK(!exhausted());
  P2P_CHECK(frame_bytes > 0 && frame_bytes <= FrameArea(datagram).size());
  const uint64_t packet_no = next_++;
  const auto header_bytes = datagram.first(wire::kDatagramHeaderSize);
  wire::SpanWriter header(header_bytes);
  wire::DataHeader{.epoch = epoch_, .conn_id = conn_id_, .packet_no = packet_no}.SerializeTo(
      header);
  const auto body = datagram.subspan(wire::kDatagramHeaderSize, frame_bytes + wire::kSealTagSize);
  ciphers.seal.Seal(key_.key, MakeNonce(key_.iv, packet_no), header_bytes, body.first(frame_bytes),
                    body);
  return wire::kDatagramHeaderSize + body.size();
}

Opener::Opener(SealKey key, uint32_t epoch)
    : key_(std::move(key)), epoch_(static_cast<uint8_t>(epoch)) {}

Opener::Result Opener::Open(Ciphers& ciphers, const wire::DataHeader& header, ByteView datagram,
                            std::span<uint8_t> plain) {
  if (header.epoch != epoch_) return {.error = OpenError::kEpoch};
  const ByteView sealed = datagram.subspan(wire::kDatagramHeaderSize);
  const auto out = plain.first(sealed.size() - wire::kSealTagSize);
  if (!ciphers.open.Open(key_.key, MakeNonce(key_.iv, header.packet_no),
                         datagram.first(wire::kDatagramHeaderSize), sealed, out)) {
    return {.error = OpenError::kTag};
  }
  const bool newest = header.packet_no > window_.newest();
  if (!window_.Accept(header.packet_no)) return {.error = OpenError::kReplay};
  return {.frames = out, .newest = newest};
}

}  // namespace p2p::session
