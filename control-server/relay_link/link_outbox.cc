#include "control-server/relay_link/link_outbox.h"

#include <utility>

#include "common/base/check.h"
#include "control-server/relay_link/order_message.h"

namespace p2p::server {

bool LinkOutbox::Push(LinkOrder order) {
  bool taken = false;
  {
    MutexLock lock(mu_);
    if (ending_) return false;
    const size_t bytes = relay::OrderBytes(order);
    taken = bytes_ + bytes <= max_bytes_;
    if (taken) {
      bytes_ += bytes;
      queue_.push_back(std::move(order));
    } else {
      overflowed_ = true;
      EndLocked(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "orders were read too slowly"));
    }
  }
  Drive();
  return taken;
}

void LinkOutbox::Read() {
  {
    MutexLock lock(mu_);
    want_read_ = true;
  }
  Drive();
}

void LinkOutbox::End(grpc::Status status) {
  {
    MutexLock lock(mu_);
    EndLocked(std::move(status));
  }
  Drive();
}

void LinkOutbox::OnWritten(bool ok) {
  {
    MutexLock lock(mu_);
    P2P_CHECK(writing_);
    writing_ = false;
    message_.Clear();  // Session keys among it.
    if (!ok) EndLocked(grpc::Status(grpc::StatusCode::CANCELLED, "the relay is gone"));
  }
  Drive();
}

std::optional<MonoTime> LinkOutbox::WritingSince() const {
  MutexLock lock(mu_);
  if (!writing_) return std::nullopt;
  return writing_since_;
}

bool LinkOutbox::overflowed() const {
  MutexLock lock(mu_);
  return overflowed_;
}

uint64_t LinkOutbox::messages() const {
  MutexLock lock(mu_);
  return messages_;
}

void LinkOutbox::EndLocked(grpc::Status status) {
  queue_.clear();
  bytes_ = 0;
  if (ending_) return;
  ending_ = true;
  status_ = std::move(status);
}

void LinkOutbox::FillMessage() {
  const MonoTime now = clock_.Mono();
  size_t bytes = 0;
  while (!queue_.empty() && bytes < kMessageBytes &&
         message_.orders_size() < static_cast<int>(kMessageOrders)) {
    if (AddFirst(now, bytes)) continue;
    bytes_ -= relay::OrderBytes(queue_.front());
    queue_.pop_front();
  }
}

bool LinkOutbox::AddFirst(MonoTime now, size_t& bytes) {
  v1::RelayOrder* const order = message_.add_orders();
  auto* all = std::get_if<relay::QueueForAllOrder>(&queue_.front());
  if (all != nullptr && all->done < all->sessions.size()) {
    (void)FillOrder(relay::QueueOrder{all->sessions[all->done], all->broadcast}, now, *order);
    bytes += order->ByteSizeLong();
    return ++all->done < all->sessions.size();
  }
  if (all == nullptr && FillOrder(queue_.front(), now, *order)) {
    bytes += order->ByteSizeLong();
  } else {
    message_.mutable_orders()->RemoveLast();
  }
  return false;
}

LinkOutbox::Step LinkOutbox::Next() {
  if (starting_ || finished_) return Step::kNone;
  if (!writing_ && !ending_ && !queue_.empty()) {
    FillMessage();
    if (message_.orders_size() > 0) {
      writing_ = true;
      writing_since_ = clock_.Mono();
      ++messages_;
      return Step::kWrite;
    }
  }
  if (ending_) {
    if (writing_) return Step::kNone;
    finished_ = true;
    return Step::kFinish;
  }
  if (std::exchange(want_read_, false)) return Step::kRead;
  return Step::kNone;
}

void LinkOutbox::Drive() {
  while (true) {
    Step step = Step::kNone;
    const v1::RelayOrders* message = nullptr;
    grpc::Status status;
    {
      MutexLock lock(mu_);
      step = Next();
      if (step == Step::kNone) return;
      starting_ = true;
      message = &message_;  // Nobody touches it before OnWritten.
      if (step == Step::kFinish) status = status_;
    }
    switch (step) {
      case Step::kNone:
        return;
      case Step::kWrite:
        driver_.WriteOrders(*message);
        break;
      case Step::kRead:
        driver_.ReadReports();
        break;
      case Step::kFinish:
        driver_.FinishLink(status);  // The driver may be gone when this returns.
        return;
    }
    MutexLock lock(mu_);
    starting_ = false;
  }
}

}  // namespace p2p::server
