#include "control-server/service/hash_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace p2p::server {
namespace {

constexpr int kNiceness = 10;

void LowerPriority() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNiceness);
}

}  // namespace

int HashPool::DefaultThreads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) - 1);
}

HashPool::HashPool(const Clock& clock, Options options) : clock_(clock), options_(options) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

HashPool::~HashPool() { Stop(); }

void HashPool::Stop() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool HashPool::Submit(Job job) {
  {
    const MutexLock lock(mu_);
    if (stopping_ || queue_.size() >= options_.capacity) {
      counters_.Add(HashCount::kQueueFull);
      return false;
    }
    queue_.push_back({std::move(job), clock_.Mono()});
  }
  wake_.NotifyOne();
  return true;
}

void HashPool::Run() {
  LowerPriority();
  while (true) {
    Waiting next;
    bool late = false;
    {
      const MutexLock lock(mu_);
      while (queue_.empty() && !stopping_) wake_.Wait(mu_);
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
      late = stopping_ || clock_.Mono() - next.since > options_.max_wait;
    }
    counters_.Add(late ? HashCount::kTooLate : HashCount::kDone);
    std::move(next.job)(late ? Turn::kTooLate : Turn::kRun);
  }
}

}  // namespace p2p::server
