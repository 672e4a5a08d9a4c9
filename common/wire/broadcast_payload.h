// The byte string that is cut into fragments: a signed broadcast as one piece.
#pragma once

#include <array>
#include <optional>

#include "common/base/bytes.h"
#include "common/wire/datagram_limits.h"

namespace p2p::wire {

//   0..1 object length | object | signature 64 | text (the rest, may not be empty)
struct BroadcastPayload {
  ByteView signed_object;  // Views into the caller's bytes.
  ByteView signature;
  ByteView text;

  static std::optional<BroadcastPayload> Parse(ByteView payload);
  Bytes Serialize() const;
};

}  // namespace p2p::wire
