// When the tokens of a session are renewed: in good time before the access token ends, and whenever
// the server does not take it any more. Pure.
#pragma once

#include <optional>

#include "common/base/random.h"
#include "peer-client/app/control_port.h"
#include "peer-client/app/now.h"

namespace p2p::client {

class SessionRenewal {
 public:
  SessionRenewal(ControlPort& control, Random& random) : control_(control), random_(random) {}

  static bool Possible(const Session& session) { return !session.resume_token.empty(); }
  static bool Expired(const Session& session, Now now) { return session.expires_at <= now.wall; }

  // Next when a quarter of the access token's life is left. `now.wall` is the server's clock, as
  // far as it is known. `renewed`: the token is new. One that seems to be at its end already shows
  // that the clocks disagree; then the next one is not asked for at once.
  void Schedule(const Session& session, bool renewed, Now now);
  // A renewal in the background failed; the access token may still be good for a while.
  void ScheduleAgain(const Session& session, Now now);
  void Start(const Session& session);  // Nothing while one is under way.
  bool under_way() const { return under_way_; }
  // The answer is here: false when nobody waits for it any more.
  bool TakeAnswer();
  // The connection or the session is gone.
  void Cancel();

  std::optional<MonoTime> due() const { return due_; }

 private:
  ControlPort& control_;
  Random& random_;
  bool under_way_ = false;
  std::optional<MonoTime> due_;
};

}  // namespace p2p::client
