// The store as the operator's calls use it: by the queue of a running server, or directly on the
// locked data directory of a stopped one. Calls block until the disk has answered.
#pragma once

#include "absl/functional/function_ref.h"
#include "control-server/store/store.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {

class StoreAccess {
 public:
  virtual ~StoreAccess() = default;
  // Runs `work` as one atomic, durable unit; an error from it undoes it and is returned. `work`
  // must not call Group or Step. After a commit, and before anything that was submitted later is
  // committed, calls `then`, perhaps on another thread: it must be short and must not block.
  virtual absl::Status Change(
      absl::FunctionRef<absl::Status(Store&)> work, absl::FunctionRef<void()> then = [] {}) = 0;
  virtual absl::Status Read(absl::FunctionRef<absl::Status(Store&)> work) = 0;
};

// Thread-safe; not from the store's thread.
class QueuedStore final : public StoreAccess {
 public:
  explicit QueuedStore(StoreQueue& queue) : queue_(queue) {}
  absl::Status Change(absl::FunctionRef<absl::Status(Store&)> work,
                      absl::FunctionRef<void()> then) override;
  absl::Status Read(absl::FunctionRef<absl::Status(Store&)> work) override;

 private:
  StoreQueue& queue_;
};

// Thread-safe.
class DirectStore final : public StoreAccess {
 public:
  explicit DirectStore(Store& store) : store_(store) {}
  absl::Status Change(absl::FunctionRef<absl::Status(Store&)> work,
                      absl::FunctionRef<void()> then) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Read(absl::FunctionRef<absl::Status(Store&)> work) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  Store& store_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p::server
