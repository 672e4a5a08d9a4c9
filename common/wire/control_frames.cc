#include "common/wire/control_frames.h"

#include "absl/strings/str_cat.h"

namespace p2p::wire {
namespace {

std::optional<uint16_t> OneU16(ByteView body) {
  ByteReader in(body);
  const uint16_t value = in.U16();
  if (!in.done()) return std::nullopt;
  return value;
}

void WriteU16(SpanWriter& out, FrameType type, uint16_t value) {
  out.U8(static_cast<uint8_t>(type)).U16(2).U16(value);
}

}  // namespace

std::optional<SyncFrame> SyncFrame::Parse(ByteView body) {
  ByteReader in(body);
  SyncFrame frame;
  const size_t count = in.U8();
  if (count > kMaxSyncHave || in.remaining() != 16 * count) return std::nullopt;
  for (size_t i = 0; i < count; ++i) frame.have.push_back(BroadcastId{in.Array<16>()});
  if (!in.done()) return std::nullopt;
  return frame;
}

void SyncFrame::SerializeTo(SpanWriter& out) const {
  const size_t count = std::min(have.size(), kMaxSyncHave);
  out.U8(static_cast<uint8_t>(FrameType::kSync)).U16(static_cast<uint16_t>(1 + 16 * count));
  out.U8(static_cast<uint8_t>(count));
  for (size_t i = 0; i < count; ++i) out.Append(have[i].view());
}

std::string SyncFrame::ToString() const { return absl::StrCat("SYNC{", have.size(), " ids}"); }

std::optional<AckWindowFrame> AckWindowFrame::Parse(ByteView body) {
  const auto value = OneU16(body);
  if (!value) return std::nullopt;
  return AckWindowFrame{*value};
}
void AckWindowFrame::SerializeTo(SpanWriter& out) const {
  WriteU16(out, FrameType::kAckWindow, window_ms);
}
std::string AckWindowFrame::ToString() const {
  return absl::StrCat("ACKWINDOW{", window_ms, " ms}");
}

std::optional<CloseFrame> CloseFrame::Parse(ByteView body) {
  const auto value = OneU16(body);
  if (!value) return std::nullopt;
  return CloseFrame{*value};
}
void CloseFrame::SerializeTo(SpanWriter& out) const { WriteU16(out, FrameType::kClose, code); }
std::string CloseFrame::ToString() const { return absl::StrCat("CLOSE{", code, "}"); }

}  // namespace p2p::wire
