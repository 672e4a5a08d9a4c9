#include "control-server/store/store_queue.h"

#include <chrono>

#include "common/base/check.h"

namespace p2p::server {

StoreQueue::StoreQueue(Store& store, Fatal fatal, Options options)
    : store_(store), fatal_(std::move(fatal)), options_(options), thread_([this] { Loop(); }) {}

StoreQueue::~StoreQueue() { Stop(); }

void StoreQueue::Enqueue(std::unique_ptr<Item> item, Kind kind) {
  absl::Status refusal;
  {
    MutexLock lock(mu_);
    if (failed_) {
      refusal = absl::UnavailableError("the store has failed");
    } else if (stopping_) {
      refusal = absl::UnavailableError("the server is shutting down");
    } else if (queue_.size() >= options_.capacity) {
      refusal = absl::ResourceExhaustedError("the server is busy: its store queue is full");
    } else {
      queue_.push_back({kind, std::move(item)});
    }
  }
  if (refusal.ok()) {
    wake_.NotifyOne();
    return;
  }
  counters_.Add(StoreQueueCount::kRefused);
  item->Finish(refusal);  // NOLINT(bugprone-use-after-move): moved only when not refused.
}

void StoreQueue::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyOne();
  if (thread_.joinable()) {
    P2P_CHECK(thread_.get_id() != std::this_thread::get_id());
    thread_.join();
  }
}

bool StoreQueue::WaitForWork() {
  MutexLock lock(mu_);
  while (queue_.empty() && !stopping_) wake_.Wait(mu_);
  return !queue_.empty();
}

// The oldest item if it is of that kind, else null: order within the queue is kept.
std::unique_ptr<StoreQueue::Item> StoreQueue::Take(Kind kind) {
  MutexLock lock(mu_);
  if (queue_.empty() || queue_.front().kind != kind) return nullptr;
  std::unique_ptr<Item> item = std::move(queue_.front().item);
  queue_.pop_front();
  return item;
}

void StoreQueue::Loop() {
  while (WaitForWork()) {
    if (auto write = Take(kWrite)) CommitGroup(std::move(write));
    while (auto read = Take(kRead)) {
      counters_.Add(StoreQueueCount::kItems);
      (void)read->Run(store_);  // Finish hands the result on.
      read->Finish(absl::OkStatus());
    }
  }
}

void StoreQueue::CommitGroup(std::unique_ptr<Item> first) {
  const auto deadline = std::chrono::steady_clock::now() + options_.group_window;
  std::vector<std::unique_ptr<Item>> group;
  group.push_back(std::move(first));
  const absl::Status committed = store_.Group([&]() -> absl::Status {
    for (size_t i = 0; i < group.size(); ++i) {
      // Whether the step failed is the item's own business; whether the store did, Group() says.
      (void)store_.Step([&] { return group[i]->Run(store_); });
      if (group.size() >= options_.max_group_items) continue;
      if (std::chrono::steady_clock::now() >= deadline) continue;
      if (auto next = Take(kWrite)) group.push_back(std::move(next));
    }
    return absl::OkStatus();
  });
  counters_.Add(StoreQueueCount::kItems, group.size());
  counters_.Add(StoreQueueCount::kGroups);
  if (!committed.ok()) {
    counters_.Add(StoreQueueCount::kFailedGroups);
    if (!absl::IsResourceExhausted(committed)) Fail(committed);
  }
  for (auto& item : group) item->Finish(committed);
}

// The store's state is unknown: nothing more is tried, what waits is refused.
void StoreQueue::Fail(const absl::Status& status) {
  std::deque<Entry> waiting;
  {
    MutexLock lock(mu_);
    failed_ = true;
    waiting.swap(queue_);
  }
  fatal_(status);
  counters_.Add(StoreQueueCount::kRefused, waiting.size());
  for (Entry& entry : waiting) entry.item->Finish(absl::UnavailableError("the store has failed"));
}

}  // namespace p2p::server
