// What the relay has to tell the server, from the worker's thread to the loop that owns the link.
#pragma once

#include <deque>
#include <functional>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/counters.h"
#include "common/base/mutex.h"
#include "common/relay/relay_port.h"

namespace p2p::relay {

struct DeliveredReport {
  ConnId session;
  BroadcastId broadcast;
  bool operator==(const DeliveredReport&) const = default;
};
struct ReachableReport {
  ConnId session;
  bool reachable = false;
  bool operator==(const ReachableReport&) const = default;
};
using Report = std::variant<DeliveredReport, ReachableReport>;

enum class ReportCount { kTaken, kDropped, kCount };

// Thread-safe; never blocks. Beyond `max` reports are dropped and counted: the server sends a
// broadcast over the channel when nobody tells it that it was delivered.
class ReportQueue final : public RelayEvents {
 public:
  static constexpr size_t kMaxReports = size_t{1} << 18;

  // `wake` is called on the reporting thread, without a lock, when there is something to take and
  // was nothing before, or when the worker lost its sessions; it only posts.
  explicit ReportQueue(std::function<void()> wake, size_t max = kMaxReports)
      : wake_(std::move(wake)), max_(max) {}

  // RelayEvents.
  void OnDelivered(ConnId session, BroadcastId broadcast) override {
    Push(DeliveredReport{session, broadcast});
  }
  void OnReachable(ConnId session, bool reachable) override {
    Push(ReachableReport{session, reachable});
  }
  void OnRelayRestarted() override ABSL_LOCKS_EXCLUDED(mu_);

  // At most `max` of the oldest.
  std::vector<Report> Take(size_t max) ABSL_LOCKS_EXCLUDED(mu_);
  // The link is gone: who is reachable is found out anew after the next one; what was delivered
  // stays true.
  void DropReachable() ABSL_LOCKS_EXCLUDED(mu_);
  // True once after each loss of the worker's sessions.
  bool TakeRestarted() ABSL_LOCKS_EXCLUDED(mu_);
  bool empty() const ABSL_LOCKS_EXCLUDED(mu_);
  const Counters<ReportCount>& counters() const { return counters_; }

 private:
  void Push(const Report& report) ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<void()> wake_;
  const size_t max_;
  Counters<ReportCount> counters_;
  mutable Mutex mu_;
  std::deque<Report> waiting_ ABSL_GUARDED_BY(mu_);
  bool restarted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace p2p::relay
