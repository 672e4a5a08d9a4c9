// The one check of the server's that a chat port answers: whether this client can be reached
// (CheckInbound in p2p/v1/peering.proto). Without one expected, everybody but an approved peer is a
// stranger. Pure.
#pragma once

#include <algorithm>
#include <optional>

#include "common/base/bytes.h"
#include "common/base/time.h"
#include "common/crypto/inbound_probe.h"

namespace p2p::client {

class ExpectedProbe {
 public:
  static constexpr Duration kLife = 30s;  // As long as the server's challenge.

  // In place of an earlier one. Nothing when it has not the length of a challenge.
  void Expect(ByteView challenge, MonoTime now) {
    challenge_.reset();
    if (challenge.size() != crypto::InboundChallenge{}.size()) return;
    std::copy(challenge.begin(), challenge.end(), challenge_.emplace().begin());
    ends_ = now + kLife;
  }
  // When nobody is expected any more; nullopt: nobody is.
  std::optional<MonoTime> ends(MonoTime now) const {
    return challenge_ && now < ends_ ? std::optional(ends_) : std::nullopt;
  }
  // What to answer to the first bytes of a connection; nullopt: nothing. An answer is given once.
  std::optional<crypto::Mac128> Answer(const crypto::InboundProbe& probe, MonoTime now) {
    if (!challenge_ || now >= ends_) return std::nullopt;
    if (!crypto::InboundProbeMatches(*challenge_, probe)) return std::nullopt;
    const crypto::Mac128 answer = crypto::InboundAnswer(*challenge_, probe);
    challenge_.reset();
    return answer;
  }

 private:
  std::optional<crypto::InboundChallenge> challenge_;
  MonoTime ends_;
};

}  // namespace p2p::client
