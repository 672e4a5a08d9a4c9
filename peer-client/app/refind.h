// When to ask the server where peers are now: both sides of a conversation may have got another
// address meanwhile. Pure.
#pragma once

#include <algorithm>
#include <optional>

#include "common/base/time.h"

namespace p2p::client {

class Refind {
 public:
  // A conversation lost its connection, or the server was reached anew.
  void Begin(MonoTime now) {
    pause_ = kFirst;
    due_ = now + kSoon;
  }
  std::optional<MonoTime> NextDeadline() const { return due_; }
  // True: ask now. `wanted`: some conversation has no connection; without that it is over.
  bool TakeDue(MonoTime now, bool wanted) {
    if (!due_ || *due_ > now) return false;
    if (!wanted) {
      due_.reset();
      return false;
    }
    due_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongest);
    return true;
  }

 private:
  static constexpr Duration kSoon = 1s;
  static constexpr Duration kFirst = 3s;
  static constexpr Duration kLongest = 60s;
  std::optional<MonoTime> due_;
  Duration pause_ = kFirst;
};

}  // namespace p2p::client
