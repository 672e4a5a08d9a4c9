// What becomes of a resume token that somebody presents. Pure.
//
// Each Resume hands out a successor, and the presented token stays good until that successor is
// used: an answer that was lost, or not yet on the client's disk, costs nothing. A token whose
// successor was used is in two hands, so nobody keeps the session.
#pragma once

#include <optional>

#include "common/base/time.h"
#include "control-server/domain/records.h"

namespace p2p::server {

inline constexpr Duration kResumeIdle = 7 * 24h;       // A token not used for so long is dead.
inline constexpr Duration kResumeAbsolute = 30 * 24h;  // From a log-in until the next is required.

enum class ResumeVerdict {
  kRotate,   // Hand out a successor.
  kReissue,  // The successor was never used: it is void, hand out another in its place.
  kRevoke,   // The successor was used: the session ends, with all its tokens.
  kExpired,  // Idle or altogether too old: the session ends.
  kRefused,  // Unknown or void, or not signed by the session's device: nothing changes.
};

// `presented`: nullopt for a token that the store does not know. Who cannot sign learns nothing and
// changes nothing, whatever the token.
ResumeVerdict DecideResume(const std::optional<PresentedResume>& presented, bool signature_valid,
                           WallTime now);

// The family after kRotate or kReissue.
ResumeFamily Renewed(const PresentedResume& presented, WallTime now);

// When the access token handed out now, good for `life`, ends: never after the session's absolute
// end.
WallTime AccessTokenEnd(const ResumeFamily& family, Duration life, WallTime now);

// Families renewed or started before these points are over.
WallTime OldestRenewal(WallTime now);
WallTime OldestStart(WallTime now);

}  // namespace p2p::server
