// The way down one RelayLink call: a bounded queue of orders, cut into messages when gRPC is ready
// for one; one write in flight, one Finish. Knows the order of things, not gRPC: the reactor behind
// LinkDriver does the calls.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/relay/relay_order.h"
#include "grpcpp/support/status.h"
#include "p2p/v1/relay_link.pb.h"

namespace p2p::server {

// The reactor of the call. Each method starts one operation; none is called after FinishLink.
class LinkDriver {
 public:
  virtual ~LinkDriver() = default;
  // The message stays alive until LinkOutbox::OnWritten.
  virtual void WriteOrders(const v1::RelayOrders& orders) = 0;
  virtual void ReadReports() = 0;
  virtual void FinishLink(const grpc::Status& status) = 0;
};

// The first order of a link.
struct RegisteredOrder {};
using LinkOrder = std::variant<relay::AddSessionOrder, relay::RemoveSessionOrder,
                               relay::AddBroadcastOrder, relay::RemoveBroadcastOrder,
                               relay::QueueOrder, relay::QueueForAllOrder, RegisteredOrder>;

// Thread-safe. Outlives the driver: once FinishLink was called the driver is never touched again,
// and until then it must stay alive.
class LinkOutbox {
 public:
  // Of one message. One order is smaller than a message may be (1 MiB).
  static constexpr size_t kMessageOrders = 4096;
  static constexpr size_t kMessageBytes = 256 * 1024;

  LinkOutbox(LinkDriver& driver, const Clock& clock, size_t max_bytes = relay::kMaxOrderBytes)
      : driver_(driver), clock_(clock), max_bytes_(max_bytes) {}

  // False: ended, or the queue is full. A full queue ends the link: what waits is dropped; the
  // relay links anew and is fed anew.
  bool Push(LinkOrder order) ABSL_LOCKS_EXCLUDED(mu_);
  // The next reports may be read. One read is in flight at most; the caller asks once per message.
  void Read() ABSL_LOCKS_EXCLUDED(mu_);
  // Finishes the call; what waits is dropped. The first ending counts.
  void End(grpc::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  // The driver's write is over.
  void OnWritten(bool ok) ABSL_LOCKS_EXCLUDED(mu_);

  // Since when a write waits for the relay to read.
  std::optional<MonoTime> WritingSince() const ABSL_LOCKS_EXCLUDED(mu_);
  bool overflowed() const ABSL_LOCKS_EXCLUDED(mu_);
  // Messages begun so far.
  uint64_t messages() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class Step { kNone, kWrite, kRead, kFinish };

  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FillMessage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Puts the first order, or its next part, into the message; false when nothing of it is left.
  bool AddFirst(MonoTime now, size_t& bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndLocked(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Starts whatever is due, one operation at a time and never under the lock: gRPC may call back
  // before it returns.
  void Drive() ABSL_LOCKS_EXCLUDED(mu_);

  LinkDriver& driver_;
  const Clock& clock_;
  const size_t max_bytes_;  // As relay::OrderBytes counts.
  mutable Mutex mu_;
  std::deque<LinkOrder> queue_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;         // Of it.
  v1::RelayOrders message_ ABSL_GUARDED_BY(mu_);  // In flight while writing_.
  bool starting_ ABSL_GUARDED_BY(mu_) = false;    // Somebody is inside a call of the driver.
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  MonoTime writing_since_ ABSL_GUARDED_BY(mu_);
  bool want_read_ ABSL_GUARDED_BY(mu_) = false;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool overflowed_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t messages_ ABSL_GUARDED_BY(mu_) = 0;
  grpc::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
