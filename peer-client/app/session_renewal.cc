#include "peer-client/app/session_renewal.h"

#include <algorithm>
#include <utility>

namespace p2p::client {
namespace {

constexpr Duration kSoonest = 1s;
constexpr Duration kAgainLatest = 60s;
constexpr Duration kClocksDisagree = 5min;

Duration Left(const Session& session, Now now) {
  return std::max<Duration>(session.expires_at - now.wall, Duration::zero());
}

}  // namespace

void SessionRenewal::Schedule(const Session& session, bool renewed, Now now) {
  due_.reset();
  if (!Possible(session)) return;
  const Duration in = Left(session, now) / 4 * 3;
  due_ = now.mono + (in >= kSoonest ? in : renewed ? kClocksDisagree : kSoonest);
}

void SessionRenewal::ScheduleAgain(const Session& session, Now now) {
  due_ = now.mono + std::clamp(Left(session, now) / 2, kSoonest, kAgainLatest);
}

void SessionRenewal::Start(const Session& session) {
  due_.reset();
  if (under_way_) return;
  under_way_ = true;
  control_.Resume(session.resume_token, random_.Array<16>());
}

bool SessionRenewal::TakeAnswer() { return std::exchange(under_way_, false); }

void SessionRenewal::Cancel() {
  under_way_ = false;
  due_.reset();
}

}  // namespace p2p::client
