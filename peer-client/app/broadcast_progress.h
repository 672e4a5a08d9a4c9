// Which of one's own broadcasts are followed, and when to ask the server about them. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "common/base/time.h"
#include "peer-client/app/output.h"

namespace p2p::client {

// Asks at 1, 2, 4 … seconds after the last change, at most every 30 s, until everybody who is due
// has it; then once a minute for newcomers, until its end.
class BroadcastProgress {
 public:
  static constexpr size_t kMaxFollowed = 8;  // The oldest is let go.

  void Follow(const std::string& id, Duration life, MonoTime now);
  void Forget(const std::string& id);
  void Clear() { followed_.clear(); }
  // The one to ask about now; it is not named again before its next turn.
  std::optional<std::string> TakeDue(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  // What the server said. What is to be shown, if it is news.
  std::optional<out::BroadcastProgress> OnStatus(const out::BroadcastStatus& status, MonoTime now);

 private:
  struct Followed {
    std::string id;
    MonoTime ends;
    MonoTime next;
    Duration pause;
    uint32_t due = 0;
    uint32_t delivered = 0;
  };
  std::deque<Followed> followed_;
};

}  // namespace p2p::client
