#include "udp-relay/io/order_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace p2p::relay {

absl::StatusOr<std::unique_ptr<OrderQueue>> OrderQueue::Create(size_t max_bytes) {
  net::UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid()) return net::ErrnoError("relay eventfd", errno);
  return std::unique_ptr<OrderQueue>(new OrderQueue(std::move(wake), max_bytes));
}

void OrderQueue::Push(Order order) {
  bool wake = false;
  {
    const MutexLock l(mu_);
    if (overflowed_) return;
    wake = orders_.empty();
    bytes_ += OrderBytes(order);
    if (bytes_ > max_bytes_) {
      overflowed_ = true;
      orders_.clear();
      bytes_ = 0;
      wake = true;
    } else {
      orders_.push_back(std::move(order));
    }
  }
  if (wake) Wake();
}

void OrderQueue::Stop() {
  {
    const MutexLock l(mu_);
    stopped_ = true;
  }
  Wake();
}

OrderQueue::Batch OrderQueue::TakeAll() {
  // Cleared before the orders are taken: one pushed in between wakes the reader once more.
  uint64_t count = 0;
  (void)!read(wake_.get(), &count, sizeof count);
  Batch batch;
  const MutexLock l(mu_);
  batch.orders.swap(orders_);
  bytes_ = 0;
  batch.overflowed = std::exchange(overflowed_, false);
  batch.stopped = stopped_;
  return batch;
}

void OrderQueue::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

}  // namespace p2p::relay
