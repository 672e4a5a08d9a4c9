// A relay that only writes down what it is told. Thread-safe.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/relay/relay_port.h"

namespace p2p {

class RecordingRelay final : public relay::RelayPort {
 public:
  void AddSession(ConnId session, Secret<32>) override {
    MutexLock lock(mu_);
    sessions_.insert(session);
  }
  void RemoveSession(ConnId session) override {
    MutexLock lock(mu_);
    sessions_.erase(session);
  }
  void AddBroadcast(relay::SignedBroadcastPtr broadcast, MonoTime) override {
    MutexLock lock(mu_);
    broadcasts_[broadcast->id] = broadcast;
  }
  void RemoveBroadcast(BroadcastId broadcast) override {
    MutexLock lock(mu_);
    broadcasts_.erase(broadcast);
  }
  void Queue(ConnId session, BroadcastId broadcast) override {
    MutexLock lock(mu_);
    // A real relay ignores what it does not know: an order in the wrong sequence is lost.
    if (!sessions_.contains(session)) return;
    if (broadcasts_.contains(broadcast)) queued_.emplace_back(session, broadcast);
  }

  // What happens when its process restarts.
  void ForgetEverything() {
    MutexLock lock(mu_);
    sessions_.clear();
    broadcasts_.clear();
    queued_.clear();
  }
  std::vector<std::pair<ConnId, BroadcastId>> queued() const {
    MutexLock lock(mu_);
    return queued_;
  }
  relay::SignedBroadcastPtr Find(BroadcastId id) const {
    MutexLock lock(mu_);
    const auto it = broadcasts_.find(id);
    return it == broadcasts_.end() ? nullptr : it->second;
  }

 private:
  mutable Mutex mu_;
  std::set<ConnId> sessions_ ABSL_GUARDED_BY(mu_);
  std::map<BroadcastId, relay::SignedBroadcastPtr> broadcasts_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<ConnId, BroadcastId>> queued_ ABSL_GUARDED_BY(mu_);
};

}  // namespace p2p
