// Whether a client really is where its newest datagram came from. Until it answered a challenge
// there the old address is used, so nobody can turn a relay on somebody else (RFC 9000, 8.2
// and 9.3).
#pragma once

#include <memory>
#include <optional>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/wire/control_frames.h"
#include "udp-relay/core/outbox.h"

namespace p2p::relay {

class PathProbe {
 public:
  // What one DATA datagram with a PATH_CHALLENGE takes.
  static constexpr size_t kChallengeDatagram = wire::kDatagramHeaderSize + wire::kFrameHeaderSize +
                                               wire::kPathTokenSize + wire::kSealTagSize;
  static constexpr Duration kMoveEvery = 1s;  // At most.

  // The newest valid datagram, of `bytes`, came from `path`, which is not the proved one. The token
  // to send there now, if one is due and that source has sent as much as the challenge takes.
  std::optional<wire::PathChallengeFrame> OnOther(const Path& path, size_t bytes, Duration pto,
                                                  MonoTime now, Random& random);
  // True when `path` has answered its challenge: it is the proved one from now on.
  bool OnResponse(const wire::PathResponseFrame& response, const Path& path, MonoTime now);
  // The proved path is in use; what another source began is over.
  void Forget() { candidate_.reset(); }

 private:
  struct Candidate {
    Path path;
    wire::PathChallengeFrame challenge;
    size_t credit = 0;  // Bytes it sent and we did not answer.
    MonoTime next_challenge;
  };
  std::unique_ptr<Candidate> candidate_;  // Few have one.
  std::optional<MonoTime> moved_at_;
};

}  // namespace p2p::relay
