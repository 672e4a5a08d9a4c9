// Threads that hash passwords, and a queue of bounded length and age before them. 16 ms and 19 MiB
// a hash: never on a gRPC thread, and never more at once than the machine can spare.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/base/clock.h"
#include "common/base/counters.h"
#include "common/base/mutex.h"

namespace p2p::server {

enum class HashCount { kDone, kQueueFull, kTooLate, kCount };

class HashPool {
 public:
  struct Options {
    int threads = 1;  // See DefaultThreads.
    size_t capacity = 256;
    Duration max_wait = 5s;
  };
  enum class Turn {
    kRun,      // Hash now.
    kTooLate,  // Waited longer than max_wait, or the pool is shutting down: refuse the call.
  };
  using Job = absl::AnyInvocable<void(Turn)>;

  // max(1, cores - 1).
  static int DefaultThreads();

  // `clock` outlives the pool. The threads run at a lower priority than those that answer calls.
  HashPool(const Clock& clock, Options options);
  ~HashPool();  // Stop().

  // Takes no more jobs, tells every waiting one kTooLate, waits for the running ones. Idempotent;
  // not from a job.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // False, and the job is destroyed unrun, when the queue is full. Otherwise it is called exactly
  // once, on a thread of the pool. Thread-safe.
  bool Submit(Job job) ABSL_LOCKS_EXCLUDED(mu_);

  const Counters<HashCount>& counters() const { return counters_; }

 private:
  struct Waiting {
    Job job;
    MonoTime since;
  };
  void Run() ABSL_LOCKS_EXCLUDED(mu_);

  const Clock& clock_;
  const Options options_;
  Counters<HashCount> counters_;
  Mutex mu_;
  CondVar wake_;
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace p2p::server
