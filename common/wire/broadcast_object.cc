#include "common/wire/broadcast_object.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"

namespace p2p::wire {
namespace {

constexpr uint8_t kFlagOmitSender = 1;

bool WithinLimits(const BroadcastObject& object) {
  const auto life = object.expires_at - object.sent_at;
  return object.sender_name.size() <= kMaxUsername && ToMs(object.sent_at) >= 0 && life >= 1ms &&
         life <= std::chrono::seconds(kMaxBroadcastTtlSeconds) &&
         object.sender.is_zero() == object.sender_name.empty();
}

// Times are at most this, so that differences and conversions to nanoseconds cannot overflow.
constexpr uint64_t kLastTime = uint64_t{1} << 43;  // The year 2248.

}  // namespace

std::optional<BroadcastObject> BroadcastObject::Parse(ByteView bytes) {
  ByteReader in(bytes);
  if (AsText(in.Take(kBroadcastMagic.size())) != kBroadcastMagic) return std::nullopt;
  BroadcastObject out;
  out.id.bytes = in.Array<BroadcastId::kSize>();
  out.sender.bytes = in.Array<UserId::kSize>();
  out.sender_name = p2p::ToString(in.Take(in.U8()));
  const uint64_t sent_at = in.U64();
  const uint64_t expires_at = in.U64();
  const uint8_t flags = in.U8();
  out.text_digest = in.Array<32>();
  if (!in.done() || sent_at > kLastTime || expires_at > kLastTime) return std::nullopt;
  out.sent_at = WallFromMs(static_cast<int64_t>(sent_at));
  out.expires_at = WallFromMs(static_cast<int64_t>(expires_at));
  if (flags != (out.omits_sender() ? kFlagOmitSender : 0)) return std::nullopt;
  if (!WithinLimits(out)) return std::nullopt;
  return out;
}

void BroadcastObject::SerializeTo(ByteWriter& out) const {
  P2P_CHECK(WithinLimits(*this));
  out.Append(kBroadcastMagic).Append(id.view()).Append(sender.view());
  out.U8(static_cast<uint8_t>(sender_name.size())).Append(sender_name);
  out.U64(static_cast<uint64_t>(ToMs(sent_at))).U64(static_cast<uint64_t>(ToMs(expires_at)));
  out.U8(omits_sender() ? kFlagOmitSender : 0).Append(text_digest);
}

Bytes BroadcastObject::Serialize() const {
  ByteWriter out;
  SerializeTo(out);
  return out.Release();
}

std::string BroadcastObject::ToString() const {
  return absl::StrCat("broadcast ", id.Hex(), " from ",
                      omits_sender() ? "(withheld)" : RenderUntrusted(sender_name, TextKind::kLine),
                      " sent ", FormatRfc3339(sent_at), " expires ", FormatRfc3339(expires_at));
}

}  // namespace p2p::wire
