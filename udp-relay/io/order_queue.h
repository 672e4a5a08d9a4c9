// Orders from other threads to the relay's thread.
#pragma once

#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/net/fd.h"
#include "common/relay/relay_order.h"

namespace p2p::relay {

// Forget all sessions and broadcasts.
struct ClearOrder {};
// Say so, once, when nothing is outstanding for anybody who can be reached.
struct DrainOrder {
  absl::AnyInvocable<void()> idle;  // On the relay's thread.
};
using Order =
    std::variant<AddSessionOrder, RemoveSessionOrder, AddBroadcastOrder, RemoveBroadcastOrder,
                 QueueOrder, QueueForAllOrder, ClearOrder, DrainOrder>;

// Thread-safe; Push never blocks. Full means that the relay's thread fell far behind: then
// everything is dropped, and the reader learns that it must start over and be fed anew.
class OrderQueue {
 public:
  static absl::StatusOr<std::unique_ptr<OrderQueue>> Create(size_t max_bytes = kMaxOrderBytes);
  void Push(Order order) ABSL_LOCKS_EXCLUDED(mu_);
  // Makes the reader leave.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  struct Batch {
    std::vector<Order> orders;
    bool overflowed = false;
    bool stopped = false;
  };
  Batch TakeAll() ABSL_LOCKS_EXCLUDED(mu_);
  // Readable when there is something to take.
  int wake_fd() const { return wake_.get(); }

 private:
  OrderQueue(net::UniqueFd wake, size_t max_bytes)
      : max_bytes_(max_bytes), wake_(std::move(wake)) {}
  void Wake();

  const size_t max_bytes_;
  net::UniqueFd wake_;
  Mutex mu_;
  std::vector<Order> orders_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;  // As OrderBytes counts.
  bool overflowed_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace p2p::relay
