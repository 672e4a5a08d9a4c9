#include "common/wire/datagram.h"

#include "absl/strings/str_cat.h"

namespace p2p::wire {

std::optional<DatagramKind> PeekKind(ByteView datagram) {
  if (datagram.empty() || datagram[0] >> 4 != kDatagramVersion) return std::nullopt;
  const uint8_t kind = datagram[0] & 0x0F;
  if (kind > static_cast<uint8_t>(DatagramKind::kRegistered)) return std::nullopt;
  return static_cast<DatagramKind>(kind);
}

std::optional<DataHeader> DataHeader::Parse(ByteView datagram) {
  if (datagram.size() < kMinDataDatagram || datagram.size() > kMaxDatagram) return std::nullopt;
  ByteReader in(datagram);
  if (in.U8() != KindByte(DatagramKind::kData)) return std::nullopt;
  DataHeader header;
  header.epoch = in.U8();
  if (in.U16() != 0) return std::nullopt;
  header.conn_id.bytes = in.Array<8>();
  header.packet_no = in.U64();
  if (!in.ok() || header.packet_no >= kMaxPacketNumber) return std::nullopt;
  return header;
}

void DataHeader::SerializeTo(SpanWriter& out) const {
  out.U8(KindByte(DatagramKind::kData)).U8(epoch).U16(0).Append(conn_id.view()).U64(packet_no);
}

std::string DataHeader::ToString() const {
  return absl::StrCat("DATA{epoch ", epoch, " conn ", conn_id.Hex(), " no ", packet_no, "}");
}

}  // namespace p2p::wire
