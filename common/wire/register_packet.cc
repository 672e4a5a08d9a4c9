#include "common/wire/register_packet.h"

#include "absl/strings/str_cat.h"

namespace p2p::wire {

std::optional<RegisterBody> RegisterBody::Parse(ByteView plain) {
  if (plain.size() != kSize) return std::nullopt;
  ByteReader in(plain);
  RegisterBody body;
  body.reg_seq = in.U64();
  const size_t count = in.U8();
  if (count > kMaxRegisterHave) return std::nullopt;
  for (size_t i = 0; i < count; ++i) body.have.push_back(BroadcastId{in.Array<16>()});
  if (!AllZero(in.Rest()) || !in.ok()) return std::nullopt;
  return body;
}

void RegisterBody::SerializeTo(SpanWriter& out) const {
  const size_t count = std::min(have.size(), kMaxRegisterHave);
  out.U64(reg_seq).U8(static_cast<uint8_t>(count));
  for (size_t i = 0; i < count; ++i) out.Append(have[i].view());
  out.Zeros(kSize - 9 - 16 * count);
}

std::string RegisterBody::ToString() const {
  return absl::StrCat("body{seq ", reg_seq, " have ", have.size(), "}");
}

std::optional<RegisterPacket> RegisterPacket::Parse(ByteView datagram) {
  if (datagram.size() != kRegisterSize) return std::nullopt;
  ByteReader in(datagram);
  RegisterPacket packet;
  if (in.U8() != KindByte(DatagramKind::kRegister)) return std::nullopt;
  const uint8_t stage = in.U8();
  if (stage > 1 || in.U16() != 0) return std::nullopt;
  packet.with_cookie = stage == 1;
  packet.conn_id.bytes = in.Array<8>();
  packet.client_random = in.Array<kRandomSize>();
  packet.cookie = in.Array<kMacSize>();
  packet.sealed = in.Array<kSealedSize>();
  packet.mac = in.Array<kMacSize>();
  if (!in.done()) return std::nullopt;
  if (!packet.with_cookie && !(AllZero(packet.cookie) && AllZero(packet.sealed))) {
    return std::nullopt;
  }
  return packet;
}

void RegisterPacket::SerializeTo(SpanWriter& out) const {
  out.U8(KindByte(DatagramKind::kRegister)).U8(with_cookie ? 1 : 0).U16(0).Append(conn_id.view());
  out.Append(client_random).Append(cookie).Append(sealed).Append(mac);
}

std::string RegisterPacket::ToString() const {
  return absl::StrCat("REGISTER{conn ", conn_id.Hex(), " random ", HexEncode(client_random),
                      with_cookie ? " cookie" : "", "}");
}

}  // namespace p2p::wire
