#include "common/wire/broadcast_payload.h"

namespace p2p::wire {

std::optional<BroadcastPayload> BroadcastPayload::Parse(ByteView payload) {
  if (payload.size() > kMaxBroadcastPayload) return std::nullopt;
  ByteReader in(payload);
  BroadcastPayload out;
  const size_t object_size = in.U16();
  if (object_size == 0 || object_size > kMaxSignedObject) return std::nullopt;
  out.signed_object = in.Take(object_size);
  out.signature = in.Take(kBroadcastSignatureSize);
  out.text = in.Rest();
  if (!in.done() || out.text.empty() || out.text.size() > kMaxBroadcastText) return std::nullopt;
  return out;
}

Bytes BroadcastPayload::Serialize() const {
  ByteWriter out;
  out.U16(static_cast<uint16_t>(signed_object.size()));
  out.Append(signed_object).Append(signature).Append(text);
  return out.Release();
}

}  // namespace p2p::wire
