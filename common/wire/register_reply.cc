#include "common/wire/register_reply.h"

#include "absl/strings/str_cat.h"

namespace p2p::wire {
namespace {

constexpr size_t kBodyReserve = 16;  // For fields of later versions; zero in this one.

// Kind byte and three zero bytes.
bool TakePrefix(ByteReader& in, DatagramKind kind) {
  return in.U32() == uint32_t{KindByte(kind)} << 24;
}

}  // namespace

std::optional<ChallengePacket> ChallengePacket::Parse(ByteView datagram) {
  if (datagram.size() != kChallengeSize) return std::nullopt;
  ByteReader in(datagram);
  if (!TakePrefix(in, DatagramKind::kChallenge)) return std::nullopt;
  ChallengePacket packet;
  packet.conn_id.bytes = in.Array<8>();
  packet.client_random = in.Array<kRandomSize>();
  packet.cookie = in.Array<kMacSize>();
  if (in.U32() != 0) return std::nullopt;
  packet.mac = in.Array<kMacSize>();
  if (!in.done()) return std::nullopt;
  return packet;
}

void ChallengePacket::SerializeTo(SpanWriter& out) const {
  out.U8(KindByte(DatagramKind::kChallenge)).Zeros(3).Append(conn_id.view());
  out.Append(client_random).Append(cookie).U32(0).Append(mac);
}

std::string ChallengePacket::ToString() const {
  return absl::StrCat("CHALLENGE{conn ", conn_id.Hex(), " random ", HexEncode(client_random), "}");
}

std::optional<RegisteredBody> RegisteredBody::Parse(ByteView plain) {
  if (plain.size() != kSize) return std::nullopt;
  ByteReader in(plain);
  RegisteredBody body;
  body.epoch = in.U32();
  body.retention_ms = in.U32();
  body.ping_ms = in.U32();
  body.reg_seq = in.U64();
  if (!AllZero(in.Take(kBodyReserve)) || !in.done()) return std::nullopt;
  return body;
}

void RegisteredBody::SerializeTo(SpanWriter& out) const {
  out.U32(epoch).U32(retention_ms).U32(ping_ms).U64(reg_seq).Zeros(kBodyReserve);
}

std::string RegisteredBody::ToString() const {
  return absl::StrCat("body{epoch ", epoch, " retention ", retention_ms, " ms, ping ", ping_ms,
                      " ms, seq ", reg_seq, "}");
}

std::optional<RegisteredPacket> RegisteredPacket::Parse(ByteView datagram) {
  if (datagram.size() != kRegisteredSize) return std::nullopt;
  ByteReader in(datagram);
  if (!TakePrefix(in, DatagramKind::kRegistered)) return std::nullopt;
  RegisteredPacket packet;
  packet.conn_id.bytes = in.Array<8>();
  packet.client_random = in.Array<kRandomSize>();
  packet.server_random = in.Array<kRandomSize>();
  packet.sealed = in.Array<kSealedSize>();
  if (!in.done()) return std::nullopt;
  return packet;
}

void RegisteredPacket::SerializeTo(SpanWriter& out) const {
  out.U8(KindByte(DatagramKind::kRegistered)).Zeros(3).Append(conn_id.view());
  out.Append(client_random).Append(server_random).Append(sealed);
}

std::string RegisteredPacket::ToString() const {
  return absl::StrCat("REGISTERED{conn ", conn_id.Hex(), " random ", HexEncode(client_random), "}");
}

}  // namespace p2p::wire
