// The clients of the load driver together, and the measurements that can be made with them. One at
// a time; each reports once, on the io thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "asio/steady_timer.hpp"
#include "tests/bench/load_client.h"
#include "tests/bench/samples.h"

namespace p2p::bench {

struct AttachResult {
  size_t attached = 0;
  size_t tries = 0;
  Duration took{0};  // First start to last Attached.
  Samples each;      // From the start of the try that succeeded.
};
struct CallsResult {
  size_t ok = 0;
  size_t refused = 0;  // RESOURCE_EXHAUSTED with RetryInfo.
  size_t failed = 0;
  size_t bare = 0;  // RESOURCE_EXHAUSTED without RetryInfo.
  Duration took{0};
  Samples each;
};
struct ListResult {
  CallsResult pages;
  CallsResult logins;
};
struct BroadcastResult {
  CallsResult calls;
  size_t delivered = 0;  // Over the channels.
  size_t doubled = 0;
  Samples delay;  // From the call to the arrival.
};

class LoadFleet {
 public:
  LoadFleet(asio::io_context& io, LoadTarget target, const std::vector<LoadSession>& sessions);

  size_t size() const { return clients_.size(); }
  size_t attached() const { return attached_; }

  // Attaches everybody, at most `parallel` on the way at once.
  void Attach(size_t parallel, std::function<void(AttachResult)> done);
  // From now on each try to attach begins with Resume.
  void ResumeFirst() { resume_first_ = true; }
  // Waits until somebody is lost and everybody is back. Clients come back by themselves: after
  // U(0, W), then with full jitter up to 1, 2, 4 … 30 s.
  void AwaitReturn(std::function<void(AttachResult)> done);
  // `callers` at a time, taking turns among all clients, fetch pages for `time`; meanwhile `logins`
  // other clients log in with a wrong password, all at once.
  void List(Duration time, size_t callers, uint32_t page_size, size_t logins,
            std::function<void(ListResult)> done);
  // `count` disjoint pairs: request, approval, outcome; `parallel` at once.
  void Pair(size_t count, size_t parallel, std::function<void(CallsResult)> done);
  // `count` broadcasts, one every `every`; waits until each reached everybody, or `patience` is
  // over.
  void Broadcast(size_t count, Duration every, Duration patience,
                 std::function<void(BroadcastResult)> done);

 private:
  using Clock = std::chrono::steady_clock;
  struct Slot {
    std::unique_ptr<LoadClient> client;
    std::unique_ptr<asio::steady_timer> timer;
    Clock::time_point started;
    size_t failures = 0;
  };
  struct Listing;
  struct Pairing;
  struct Broadcasting;

  void Start(size_t index);
  void OnAttached(LoadClient& client);
  void OnLost(LoadClient& client, const grpc::Status& status, Duration window);
  void FinishIfAllThere();
  void Retry(size_t index, Duration longest);
  void NextPage(const std::shared_ptr<Listing>& listing, const std::string& token);
  void FinishListing(const std::shared_ptr<Listing>& listing);
  void NextPair(std::shared_ptr<Pairing> pairing);
  void NextBroadcast(const std::shared_ptr<Broadcasting>& run);
  void OnBroadcast(LoadClient& client, const p2p::v1::BroadcastDelivery& delivery);
  void FinishBroadcasting();

  asio::io_context& io_;
  const LoadTarget target_;
  LoadClient::Listener listener_;
  std::vector<Slot> clients_;
  absl::flat_hash_map<const LoadClient*, size_t> index_;
  std::mt19937_64 random_{1};

  size_t attached_ = 0;
  std::deque<size_t> waiting_;  // For their first start.
  Clock::time_point began_;
  bool counting_ = false;  // An attach or a return is being measured.
  bool lost_one_ = false;
  bool resume_first_ = false;
  AttachResult attach_result_;
  std::function<void(AttachResult)> attach_done_;
  std::shared_ptr<Pairing> pairing_;
  std::shared_ptr<Broadcasting> broadcasting_;
};

}  // namespace p2p::bench
