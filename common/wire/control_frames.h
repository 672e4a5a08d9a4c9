// The small frames that keep a session alive and in step: PING, PONG, PATH_CHALLENGE,
// PATH_RESPONSE, SYNC, ACKWINDOW, CLOSE. PAD has no struct: its body is ignored.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/base/id.h"
#include "common/wire/frame.h"

namespace p2p::wire {

// A fixed-size token that its answer repeats.
template <FrameType kType, size_t kSize>
struct TokenFrame {
  std::array<uint8_t, kSize> token{};

  static std::optional<TokenFrame> Parse(ByteView body) {
    ByteReader in(body);
    const TokenFrame frame{in.Array<kSize>()};
    if (!in.done()) return std::nullopt;
    return frame;
  }
  void SerializeTo(SpanWriter& out) const { WriteFrame(out, kType, token); }
  std::string ToString() const { return HexEncode(token); }
  bool operator==(const TokenFrame&) const = default;
};

using PingFrame = TokenFrame<FrameType::kPing, kPingTokenSize>;
using PongFrame = TokenFrame<FrameType::kPong, kPingTokenSize>;
using PathChallengeFrame = TokenFrame<FrameType::kPathChallenge, kPathTokenSize>;
using PathResponseFrame = TokenFrame<FrameType::kPathResponse, kPathTokenSize>;

// Client to relay: 0 count | 1.. ids. Journalled already; counts as a DONE for each.
struct SyncFrame {
  std::vector<BroadcastId> have;  // At most kMaxSyncHave.

  static std::optional<SyncFrame> Parse(ByteView body);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const SyncFrame&) const = default;
};

// Relay to client: 0..1 ms. Until told otherwise, spread acknowledgements evenly over this time.
struct AckWindowFrame {
  uint16_t window_ms = 0;

  static std::optional<AckWindowFrame> Parse(ByteView body);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const AckWindowFrame&) const = default;
};

// Either side: 0..1 code. The sender forgets the session.
struct CloseFrame {
  uint16_t code = 0;  // 0: detached. Others are reserved.

  static std::optional<CloseFrame> Parse(ByteView body);
  void SerializeTo(SpanWriter& out) const;
  std::string ToString() const;
  bool operator==(const CloseFrame&) const = default;
};

}  // namespace p2p::wire
