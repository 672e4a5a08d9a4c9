#include "udp-relay/link/report_queue.h"

#include <algorithm>
#include <utility>

namespace p2p::relay {

void ReportQueue::Push(const Report& report) {
  {
    const MutexLock lock(mu_);
    if (waiting_.size() >= max_) return counters_.Add(ReportCount::kDropped);
    waiting_.push_back(report);
    if (waiting_.size() > 1) return;
  }
  wake_();
}

void ReportQueue::OnRelayRestarted() {
  {
    const MutexLock lock(mu_);
    restarted_ = true;
  }
  wake_();
}

std::vector<Report> ReportQueue::Take(size_t max) {
  const MutexLock lock(mu_);
  const auto end = waiting_.begin() + static_cast<ptrdiff_t>(std::min(max, waiting_.size()));
  std::vector<Report> out(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  counters_.Add(ReportCount::kTaken, out.size());
  return out;
}

void ReportQueue::DropReachable() {
  const MutexLock lock(mu_);
  std::erase_if(waiting_,
                [](const Report& r) { return std::holds_alternative<ReachableReport>(r); });
}

bool ReportQueue::TakeRestarted() {
  const MutexLock lock(mu_);
  return std::exchange(restarted_, false);
}

bool ReportQueue::empty() const {
  const MutexLock lock(mu_);
  return waiting_.empty();
}

}  // namespace p2p::relay
