#include "control-server/domain/resume.h"

#include <algorithm>

namespace p2p::server {
namespace {

std::chrono::milliseconds Ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d);
}

}  // namespace

WallTime OldestRenewal(WallTime now) { return now - Ms(kResumeIdle); }

WallTime OldestStart(WallTime now) { return now - Ms(kResumeAbsolute); }

ResumeVerdict DecideResume(const std::optional<PresentedResume>& presented, bool signature_valid,
                           WallTime now) {
  if (!presented || !signature_valid) return ResumeVerdict::kRefused;
  const ResumeFamily& family = presented->family;
  if (family.renewed_at <= OldestRenewal(now) || family.started_at <= OldestStart(now)) {
    return ResumeVerdict::kExpired;
  }
  if (presented->generation == family.generation) return ResumeVerdict::kRotate;
  const bool has_newest_as_successor = presented->generation + 1 == family.generation;
  if (has_newest_as_successor && !family.newest_used) return ResumeVerdict::kReissue;
  return ResumeVerdict::kRevoke;
}

ResumeFamily Renewed(const PresentedResume& presented, WallTime now) {
  ResumeFamily family = presented.family;
  family.generation = presented.generation + 1;
  family.newest_used = false;
  family.renewed_at = now;
  return family;
}

WallTime AccessTokenEnd(const ResumeFamily& family, Duration life, WallTime now) {
  return std::min(now + Ms(life), family.started_at + Ms(kResumeAbsolute));
}

}  // namespace p2p::server
