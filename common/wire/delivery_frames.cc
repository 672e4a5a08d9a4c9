#include "common/wire/delivery_frames.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace p2p::wire {
namespace {

constexpr size_t kAckBody = 34;
constexpr size_t kDoneBody = 26;

void Header(SpanWriter& out, FrameType type, size_t body) {
  out.U8(static_cast<uint8_t>(type)).U16(static_cast<uint16_t>(body));
}

}  // namespace

std::optional<FragmentFrame> FragmentFrame::Parse(ByteView body) {
  ByteReader in(body);
  FragmentFrame f;
  f.id.bytes = in.Array<16>();
  f.index = in.U16();
  f.count = in.U16();
  f.total = in.U32();
  f.bytes = in.Rest();
  if (!in.ok() || f.total == 0 || f.total > kMaxBroadcastPayload) return std::nullopt;
  if (f.count != FragmentCount(f.total) || f.index >= f.count) return std::nullopt;
  if (f.bytes.size() != FragmentSize(f.total, f.index)) return std::nullopt;
  return f;
}

void FragmentFrame::SerializeTo(SpanWriter& out) const {
  Header(out, FrameType::kFragment, kFragmentOverhead + bytes.size());
  out.Append(id.view()).U16(index).U16(count).U32(total).Append(bytes);
}

std::string FragmentFrame::ToString() const {
  return absl::StrCat("BFRAG{", id.Hex(), " ", index, "/", count, " of ", total, " bytes}");
}

std::optional<AckFrame> AckFrame::Parse(ByteView body) {
  ByteReader in(body);
  AckFrame f;
  f.id.bytes = in.Array<16>();
  f.packet_no = in.U64();
  f.delay_ms = in.U16();
  f.bitmap = in.U64();
  if (!in.done()) return std::nullopt;
  return f;
}

void AckFrame::SerializeTo(SpanWriter& out) const {
  Header(out, FrameType::kAck, kAckBody);
  out.Append(id.view()).U64(packet_no).U16(delay_ms).U64(bitmap);
}

std::string AckFrame::ToString() const {
  return absl::StrFormat("ACK{%s no %d delay %d ms map %x}", id.Hex(), packet_no, delay_ms, bitmap);
}

std::optional<DoneFrame> DoneFrame::Parse(ByteView body) {
  ByteReader in(body);
  DoneFrame f;
  f.id.bytes = in.Array<16>();
  f.packet_no = in.U64();
  f.delay_ms = in.U16();
  if (!in.done()) return std::nullopt;
  return f;
}

void DoneFrame::SerializeTo(SpanWriter& out) const {
  Header(out, FrameType::kDone, kDoneBody);
  out.Append(id.view()).U64(packet_no).U16(delay_ms);
}

std::string DoneFrame::ToString() const {
  return absl::StrFormat("DONE{%s no %d delay %d ms}", id.Hex(), packet_no, delay_ms);
}

}  // namespace p2p::wire
