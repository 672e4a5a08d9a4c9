#include "udp-relay/core/path_probe.h"

namespace p2p::relay {

std::optional<wire::PathChallengeFrame> PathProbe::OnOther(const Path& path, size_t bytes,
                                                           Duration pto, MonoTime now,
                                                           Random& random) {
  if (!candidate_ || candidate_->path != path) {
    if (moved_at_ && now - *moved_at_ < kMoveEvery) return std::nullopt;
    candidate_ =
        std::make_unique<Candidate>(Candidate{.path = path,
                                              .challenge = {random.Array<wire::kPathTokenSize>()},
                                              .credit = 0,
                                              .next_challenge = now});
  }
  candidate_->credit += bytes;
  if (candidate_->credit < kChallengeDatagram || now < candidate_->next_challenge) {
    return std::nullopt;
  }
  candidate_->credit -= kChallengeDatagram;
  candidate_->next_challenge = now + pto;
  return candidate_->challenge;
}

bool PathProbe::OnResponse(const wire::PathResponseFrame& response, const Path& path,
                           MonoTime now) {
  if (!candidate_ || candidate_->path != path) return false;
  if (candidate_->challenge.token != response.token) return false;
  candidate_.reset();
  moved_at_ = now;
  return true;
}

}  // namespace p2p::relay
