#include "tests/bench/load_fleet.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace p2p::bench {
namespace {

constexpr Duration kLongestRetry = 30s;

// Adds one answer to the counts. RetryInfo travels in the binary details of the status.
void Count(CallsResult& into, const grpc::Status& status, Duration took) {
  if (status.ok()) {
    ++into.ok;
  } else if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) {
    ++into.failed;
  } else if (absl::StrContains(status.error_details(), "google.rpc.RetryInfo")) {
    ++into.refused;
  } else {
    ++into.bare;
  }
  into.each.Add(took);
}

}  // namespace

struct LoadFleet::Listing {
  ListResult result;
  Clock::time_point began;
  Clock::time_point end;
  size_t active = 0;  // Callers and log-ins that are not done.
  uint32_t page_size = 0;
  size_t turn = 0;
  std::function<void(ListResult)> done;
};

struct LoadFleet::Pairing {
  CallsResult result;
  Clock::time_point began;
  size_t next = 0;
  size_t count = 0;
  size_t open = 0;
  absl::flat_hash_map<const LoadClient*, Clock::time_point> asked;
  std::function<void(CallsResult)> done;
};

struct LoadFleet::Broadcasting {
  BroadcastResult result;
  Clock::time_point began;
  size_t next = 0;
  size_t count = 0;
  Duration every{0};
  Duration patience{0};
  std::vector<Clock::time_point> sent;
  // Who has which; the text is the broadcast's number.
  std::vector<absl::flat_hash_set<const LoadClient*>> reached;
  std::unique_ptr<asio::steady_timer> timer;
  std::function<void(BroadcastResult)> done;
};

LoadFleet::LoadFleet(asio::io_context& io, LoadTarget target,
                     const std::vector<LoadSession>& sessions)
    : io_(io), target_(std::move(target)) {
  listener_.on_attached = [this](LoadClient& client) { OnAttached(client); };
  listener_.on_lost = [this](LoadClient& client, const grpc::Status& status, Duration window) {
    OnLost(client, status, window);
  };
  listener_.on_outcome = [this](LoadClient& client, const v1::RequestOutcome& outcome) {
    if (!pairing_ || !outcome.requested_by_me()) return;
    const auto asked = pairing_->asked.find(&client);
    if (asked == pairing_->asked.end()) return;
    const bool approved = outcome.state() == v1::APPROVED;
    Count(pairing_->result, approved ? grpc::Status::OK : grpc::Status::CANCELLED,
          Clock::now() - asked->second);
    pairing_->asked.erase(asked);
    --pairing_->open;
    NextPair(pairing_);
  };
  listener_.on_broadcast = [this](LoadClient& client, const v1::BroadcastDelivery& delivery) {
    OnBroadcast(client, delivery);
  };
  for (const LoadSession& session : sessions) {
    clients_.push_back({.client = std::make_unique<LoadClient>(io, target_, listener_, session),
                        .timer = std::make_unique<asio::steady_timer>(io),
                        .started = {}});
    index_[clients_.back().client.get()] = clients_.size() - 1;
  }
}

void LoadFleet::Attach(size_t parallel, std::function<void(AttachResult)> done) {
  attach_done_ = std::move(done);
  attach_result_ = {};
  counting_ = true;
  lost_one_ = true;  // Nobody is there yet.
  began_ = Clock::now();
  for (size_t i = 0; i < clients_.size(); ++i) waiting_.push_back(i);
  for (size_t i = 0; i < parallel && !waiting_.empty(); ++i) {
    Start(waiting_.front());
    waiting_.pop_front();
  }
}

void LoadFleet::AwaitReturn(std::function<void(AttachResult)> done) {
  attach_done_ = std::move(done);
  attach_result_ = {};
  counting_ = true;
  lost_one_ = attached_ < clients_.size();
  began_ = Clock::now();
  FinishIfAllThere();
}

void LoadFleet::Start(size_t index) {
  Slot& slot = clients_[index];
  slot.started = Clock::now();
  ++attach_result_.tries;
  slot.client->Attach(resume_first_);
}

void LoadFleet::OnAttached(LoadClient& client) {
  Slot& slot = clients_[index_.at(&client)];
  slot.failures = 0;
  ++attached_;
  if (counting_) attach_result_.each.Add(Clock::now() - slot.started);
  if (!waiting_.empty()) {
    Start(waiting_.front());
    waiting_.pop_front();
  }
  FinishIfAllThere();
}

void LoadFleet::OnLost(LoadClient& client, const grpc::Status&, Duration window) {
  const size_t index = index_.at(&client);
  Slot& slot = clients_[index];
  if (window > Duration(0)) {  // It was attached.
    --attached_;
    if (counting_ && !std::exchange(lost_one_, true)) began_ = Clock::now();
    return Retry(index, window);
  }
  const size_t doublings = std::min<size_t>(slot.failures++, 5);
  Retry(index, std::min(kLongestRetry, Duration(1s) * (int64_t{1} << doublings)));
}

void LoadFleet::Retry(size_t index, Duration longest) {
  Slot& slot = clients_[index];
  slot.timer->expires_after(
      Duration(std::uniform_int_distribution<int64_t>(0, longest.count())(random_)));
  slot.timer->async_wait([this, index](const asio::error_code& error) {
    if (!error) Start(index);
  });
}

void LoadFleet::FinishIfAllThere() {
  if (!counting_ || !lost_one_ || attached_ < clients_.size()) return;
  counting_ = false;
  attach_result_.attached = attached_;
  attach_result_.took = Clock::now() - began_;
  std::exchange(attach_done_, nullptr)(std::move(attach_result_));
}

void LoadFleet::List(Duration time, size_t callers, uint32_t page_size, size_t logins,
                     std::function<void(ListResult)> done) {
  auto listing = std::make_shared<Listing>();
  listing->began = Clock::now();
  listing->end = listing->began + time;
  listing->page_size = page_size;
  listing->done = std::move(done);
  callers = std::min(callers, clients_.size());
  logins = std::min(logins, clients_.size() - callers);
  listing->active = callers + logins;
  for (size_t i = 0; i < callers; ++i) NextPage(listing, "");
  for (size_t i = callers; i < callers + logins; ++i) {
    const auto began = Clock::now();
    clients_[i % clients_.size()].client->Login(
        "not the password",
        [this, listing, began](const grpc::Status& status, const v1::LoginResponse&) {
          CallsResult& result = listing->result.logins;
          Count(result, status, Clock::now() - began);
          result.took = Clock::now() - listing->began;
          --listing->active;
          FinishListing(listing);
        });
  }
}

void LoadFleet::NextPage(const std::shared_ptr<Listing>& listing, const std::string& token) {
  const auto began = Clock::now();
  // Another client each time: one alone would soon have used up its rate.
  clients_[listing->turn++ % clients_.size()].client->List(
      listing->page_size, token,
      [this, listing, began](const grpc::Status& status, const v1::ListActiveResponse& response) {
        const auto now = Clock::now();
        Count(listing->result.pages, status, now - began);
        if (now < listing->end) return NextPage(listing, response.next_page_token());
        listing->result.pages.took = now - listing->began;
        --listing->active;
        FinishListing(listing);
      });
}

void LoadFleet::FinishListing(const std::shared_ptr<Listing>& listing) {
  if (listing->active == 0) listing->done(std::move(listing->result));
}

void LoadFleet::Pair(size_t count, size_t parallel, std::function<void(CallsResult)> done) {
  pairing_ = std::make_shared<Pairing>();
  pairing_->began = Clock::now();
  pairing_->count = std::min(count, clients_.size() / 2);
  pairing_->done = std::move(done);
  for (size_t i = 0; i < parallel; ++i) NextPair(pairing_);
}

void LoadFleet::NextPair(std::shared_ptr<Pairing> pairing) {
  if (pairing->next == pairing->count) {
    if (pairing->open > 0 || pairing_ == nullptr) return;
    pairing_.reset();
    pairing->result.took = Clock::now() - pairing->began;
    return pairing->done(std::move(pairing->result));
  }
  const size_t first = 2 * pairing->next++;
  ++pairing->open;
  LoadClient* requester = clients_[first].client.get();
  pairing->asked[requester] = Clock::now();
  requester->RequestPeer(
      clients_[first + 1].client->username(),
      [this, pairing, requester](const grpc::Status& status, const v1::RequestPeerResponse&) {
        if (status.ok()) return;  // The outcome comes over the channel.
        const auto asked = pairing->asked.find(requester);
        if (asked == pairing->asked.end()) return;
        Count(pairing->result, status, Clock::now() - asked->second);
        pairing->asked.erase(asked);
        --pairing->open;
        NextPair(pairing);
      });
}

void LoadFleet::Broadcast(size_t count, Duration every, Duration patience,
                          std::function<void(BroadcastResult)> done) {
  broadcasting_ = std::make_shared<Broadcasting>();
  broadcasting_->began = Clock::now();
  broadcasting_->count = count;
  broadcasting_->every = every;
  broadcasting_->patience = patience;
  broadcasting_->reached.resize(count);
  broadcasting_->timer = std::make_unique<asio::steady_timer>(io_);
  broadcasting_->done = std::move(done);
  NextBroadcast(broadcasting_);
}

void LoadFleet::NextBroadcast(const std::shared_ptr<Broadcasting>& run) {
  const bool last = run->next == run->count;
  run->timer->expires_after(last ? run->patience : run->every);
  run->timer->async_wait([this, run, last](const asio::error_code& error) {
    if (error) return;
    if (last) return FinishBroadcasting();
    NextBroadcast(run);
  });
  if (last) return;
  const auto began = Clock::now();
  run->sent.push_back(began);
  clients_[run->next % clients_.size()].client->Broadcast(
      absl::StrCat(run->next),
      [run, began](const grpc::Status& status, const v1::BroadcastResponse&) {
        Count(run->result.calls, status, Clock::now() - began);
      });
  ++run->next;
}

void LoadFleet::OnBroadcast(LoadClient& client, const v1::BroadcastDelivery& delivery) {
  if (!broadcasting_) return;
  const size_t number = std::strtoul(delivery.text().c_str(), nullptr, 10);
  if (number >= broadcasting_->sent.size()) return;
  BroadcastResult& result = broadcasting_->result;
  if (!broadcasting_->reached[number].insert(&client).second) {
    ++result.doubled;
    return;
  }
  ++result.delivered;
  result.delay.Add(Clock::now() - broadcasting_->sent[number]);
  if (result.delivered == broadcasting_->count * clients_.size()) FinishBroadcasting();
}

void LoadFleet::FinishBroadcasting() {
  const auto run = std::exchange(broadcasting_, nullptr);
  if (!run) return;
  run->timer->cancel();
  run->result.calls.took = Clock::now() - run->began;
  run->done(std::move(run->result));
}

}  // namespace p2p::bench
