// The one thread that talks to the store. Everybody else hands it work and hears the result after
// the commit: gRPC reactions and the hub never wait for the disk.
//
//   queue.Submit([account](Store& s) { return s.CreateAccount(account); },
//                [](absl::Status created) { ... });
//   queue.Read([](Store& s) { return s.ListAccounts(); },
//              [](absl::StatusOr<std::vector<Account>> accounts) { ... });
//
// Group commit: what is queued when the thread gets to it, and what arrives within `group_window`,
// is one Store::Group, i.e. one fsync. An item that fails gets its own error and leaves no trace;
// the others stand.
//
// Failure: when the disk is full every item of that group gets ResourceExhausted and the queue goes
// on. After any other failure of the store its state is unknown (a failed fsync must never be
// retried): `fatal` is called once, and all later work is refused with Unavailable.
#pragma once

#include <deque>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/base/counters.h"
#include "common/base/mutex.h"
#include "common/base/time.h"
#include "control-server/store/store.h"

namespace p2p::server {

enum class StoreQueueCount { kItems, kGroups, kRefused, kFailedGroups, kCount };

class StoreQueue {
 public:
  struct Options {
    size_t capacity = 8192;         // Items not yet begun; beyond it: refused, counted.
    Duration group_window = 5ms;    // How long a group may collect.
    size_t max_group_items = 1024;  // Bounds the memory of one transaction.
  };
  using Fatal = absl::AnyInvocable<void(const absl::Status&)>;

  // `store` outlives the queue and is touched by nobody else meanwhile. `fatal` runs on the store
  // thread; a program ends itself there.
  StoreQueue(Store& store, Fatal fatal) : StoreQueue(store, std::move(fatal), Options{}) {}
  StoreQueue(Store& store, Fatal fatal, Options options);
  ~StoreQueue();  // Stop().

  // `work(Store&)` returns absl::Status or absl::StatusOr<T> and must not call Group or Step;
  // `done(that result)` is called exactly once: on the store thread after the commit, or, when the
  // queue is full (ResourceExhausted) or stopped (Unavailable), in this call before it returns. So
  // hold no lock here that `done` takes. `done` is short, and may Submit. Thread-safe.
  template <class Work, class Done>
  void Submit(Work work, Done done) {
    Enqueue(std::make_unique<TypedItem<Work, Done>>(std::move(work), std::move(done)), kWrite);
  }

  // The same for work that only reads: runs after the commit of whatever was queued before it,
  // needs no commit of its own, and works on a full disk.
  template <class Work, class Done>
  void Read(Work work, Done done) {
    Enqueue(std::make_unique<TypedItem<Work, Done>>(std::move(work), std::move(done)), kRead);
  }

  // Refuses new work, finishes what is queued, joins the thread. Not from the store thread.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  const Counters<StoreQueueCount>& counters() const { return counters_; }

 private:
  class Item {
   public:
    virtual ~Item() = default;
    virtual absl::Status Run(Store& store) = 0;
    // Calls `done` with what Run returned, or with `failure` unless that is OK.
    virtual void Finish(const absl::Status& failure) = 0;
  };
  static const absl::Status& StatusOf(const absl::Status& s) { return s; }
  template <class T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& s) {
    return s.status();
  }

  template <class Work, class Done>
  class TypedItem final : public Item {
   public:
    using Result = std::invoke_result_t<Work&, Store&>;
    TypedItem(Work work, Done done) : work_(std::move(work)), done_(std::move(done)) {}
    absl::Status Run(Store& store) override {
      result_ = work_(store);
      return StatusOf(result_);
    }
    void Finish(const absl::Status& failure) override {
      if (!failure.ok()) result_ = failure;
      std::move(done_)(std::move(result_));
    }

   private:
    Work work_;
    Done done_;
    Result result_ = absl::UnknownError("not run");
  };

  enum Kind { kWrite, kRead };
  struct Entry {
    Kind kind;
    std::unique_ptr<Item> item;
  };

  void Enqueue(std::unique_ptr<Item> item, Kind kind) ABSL_LOCKS_EXCLUDED(mu_);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  bool WaitForWork() ABSL_LOCKS_EXCLUDED(mu_);
  std::unique_ptr<Item> Take(Kind kind) ABSL_LOCKS_EXCLUDED(mu_);
  void CommitGroup(std::unique_ptr<Item> first);
  void Fail(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  Store& store_;
  Fatal fatal_;
  const Options options_;
  Counters<StoreQueueCount> counters_;
  Mutex mu_;
  CondVar wake_;
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool failed_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // Last: runs Loop() from the end of construction.
};

}  // namespace p2p::server
