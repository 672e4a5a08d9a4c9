// The way down one ApprovalChannel: a bounded queue, one write in flight, one Finish. Knows the
// order of things, not gRPC: the reactor behind ChannelDriver does the calls.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "control-server/service/attachment.h"
#include "grpcpp/support/status.h"

namespace p2p::server {

// The reactor of the call. Each method starts one operation; none is called after FinishCall.
class ChannelDriver {
 public:
  virtual ~ChannelDriver() = default;
  // The event stays alive until ChannelOutbox::OnWritten.
  virtual void WriteEvent(const v1::ServerEvent& event) = 0;
  virtual void ReadEvent() = 0;
  virtual void FinishCall(const grpc::Status& status) = 0;
};

// Thread-safe. Outlives the driver: once FinishCall was called the driver is never touched again,
// and until then it must stay alive.
class ChannelOutbox final : public ChannelSink {
 public:
  static constexpr size_t kMaxEvents = 256;
  static constexpr size_t kMaxBytes = 1 << 20;  // Of serialised events.
  static constexpr size_t kMaxShared = 4096;    // Pointers to events that others hold too.

  ChannelOutbox(ChannelDriver& driver, const Clock& clock) : driver_(driver), clock_(clock) {}

  // False: ended, or the queue is full. A full queue ends the channel: what waits is dropped, the
  // client is told that it was too slow.
  bool Push(std::shared_ptr<const v1::ServerEvent> event) override ABSL_LOCKS_EXCLUDED(mu_);
  bool PushShared(std::shared_ptr<const v1::ServerEvent> event) override ABSL_LOCKS_EXCLUDED(mu_);
  // The next event may be read. One read is in flight at most; the caller asks once per event.
  void Read() ABSL_LOCKS_EXCLUDED(mu_);
  // Finishes the call with `status` after what was pushed (shared events not) and then `last` (may
  // be null) went out. The first ending counts.
  void End(std::shared_ptr<const v1::ServerEvent> last, grpc::Status status)
      ABSL_LOCKS_EXCLUDED(mu_);
  // The client is gone: nothing more can be sent.
  void Abandon() ABSL_LOCKS_EXCLUDED(mu_);

  // The driver's write is over.
  void OnWritten(bool ok) ABSL_LOCKS_EXCLUDED(mu_);

  // Since when a write waits for the client to read.
  std::optional<MonoTime> WritingSince() const ABSL_LOCKS_EXCLUDED(mu_);
  // Ended because the queue was full.
  bool overflowed() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class Step { kNone, kWrite, kRead, kFinish };
  struct Queued {
    std::shared_ptr<const v1::ServerEvent> event;
    size_t bytes;
  };

  void Append(std::shared_ptr<const v1::ServerEvent> event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes the next shared event once nothing else waits.
  void RefillFromShared() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Starts whatever is due, one operation at a time and never under the lock: gRPC may call back
  // before it returns.
  void Drive() ABSL_LOCKS_EXCLUDED(mu_);

  ChannelDriver& driver_;
  const Clock& clock_;
  mutable Mutex mu_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mu_);  // The front one is in flight while writing_.
  std::deque<std::shared_ptr<const v1::ServerEvent>> shared_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool starting_ ABSL_GUARDED_BY(mu_) = false;  // Somebody is inside a call of the driver.
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  MonoTime writing_since_ ABSL_GUARDED_BY(mu_);
  bool want_read_ ABSL_GUARDED_BY(mu_) = false;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool overflowed_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
