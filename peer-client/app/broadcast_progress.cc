#include "peer-client/app/broadcast_progress.h"

#include <algorithm>

namespace p2p::client {
namespace {

constexpr Duration kFirst = 1s;
constexpr Duration kLongest = 30s;
constexpr Duration kForNewcomers = 60s;

}  // namespace

void BroadcastProgress::Follow(const std::string& id, Duration life, MonoTime now) {
  Forget(id);
  if (followed_.size() >= kMaxFollowed) followed_.pop_front();
  followed_.push_back({.id = id,
                       .ends = now + life,
                       .next = now + kFirst,
                       .pause = kFirst,
                       .due = 0,
                       .delivered = 0});
}

void BroadcastProgress::Forget(const std::string& id) {
  std::erase_if(followed_, [&](const Followed& f) { return f.id == id; });
}

std::optional<std::string> BroadcastProgress::TakeDue(MonoTime now) {
  std::erase_if(followed_, [now](const Followed& f) { return f.ends <= now; });
  for (Followed& f : followed_) {
    if (f.next > now) continue;
    f.pause = std::min(2 * f.pause, kLongest);
    f.next = now + f.pause;
    return f.id;
  }
  return std::nullopt;
}

std::optional<MonoTime> BroadcastProgress::NextDeadline() const {
  std::optional<MonoTime> next;
  for (const Followed& f : followed_) {
    if (!next || f.next < *next) next = f.next;
  }
  return next;
}

std::optional<out::BroadcastProgress> BroadcastProgress::OnStatus(
    const out::BroadcastStatus& status, MonoTime now) {
  const auto f = std::find_if(followed_.begin(), followed_.end(),
                              [&](const Followed& other) { return other.id == status.id; });
  if (f == followed_.end()) return std::nullopt;
  if (status.revoked) {
    followed_.erase(f);
    return std::nullopt;
  }
  const bool news = status.due != f->due || status.delivered != f->delivered;
  f->due = status.due;
  f->delivered = status.delivered;
  if (news) f->pause = kFirst;
  if (status.delivered >= status.due) f->pause = kForNewcomers;
  f->next = now + f->pause;
  if (!news) return std::nullopt;
  return out::BroadcastProgress{status.id, status.due, status.delivered,
                                std::max(f->ends - now, Duration::zero())};
}

}  // namespace p2p::client
