// A relay's workers and clients' receivers over real sockets on loopback: what the tests of both
// need.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <map>

#include "absl/synchronization/mutex.h"
#include "common/crypto/hash.h"
#include "common/crypto/os_random.h"
#include "common/crypto/sign.h"
#include "common/wire/broadcast_object.h"
#include "common/wire/datagram_limits.h"
#include "peer-client/broadcast/broadcast_receiver.h"
#include "udp-relay/io/relay_workers.h"

namespace p2p {

inline const crypto::SigningKey& ServerKey() {
  static const crypto::SigningKey key = crypto::SigningKey::FromSeed(Secret<32>());
  return key;
}

inline relay::SignedBroadcastPtr MakeBroadcast(const std::string& text, Random& random,
                                               const std::string& sender = "alice") {
  const WallTime now = SystemClock().Wall();
  const wire::BroadcastObject object{.id = random.NewId<BroadcastId>(),
                                     .sender = sender.empty() ? UserId{} : random.NewId<UserId>(),
                                     .sender_name = sender,
                                     .sent_at = now,
                                     .expires_at = now + std::chrono::minutes(30),
                                     .text_digest = crypto::Sha256(AsBytes(text))};
  auto out = std::make_shared<relay::SignedBroadcast>();
  out->id = object.id;
  out->signed_object = object.Serialize();
  out->signature = ServerKey().Sign(out->signed_object);
  out->text = text;
  return out;
}

class RecordingEvents final : public relay::RelayEvents {
 public:
  void OnDelivered(ConnId session, BroadcastId broadcast) override {
    absl::MutexLock l(&mu_);
    ++delivered_[{session, broadcast}];
  }
  void OnReachable(ConnId session, bool reachable) override {
    absl::MutexLock l(&mu_);
    reachable_[session] = reachable;
  }
  void OnRelayRestarted() override {
    absl::MutexLock l(&mu_);
    ++restarts_;
  }
  size_t DeliveredPairs() {
    absl::MutexLock l(&mu_);
    return delivered_.size();
  }
  size_t Reachable() {
    absl::MutexLock l(&mu_);
    size_t n = 0;
    for (const auto& [conn, up] : reachable_) n += up ? 1 : 0;
    return n;
  }

 private:
  absl::Mutex mu_;
  std::map<std::pair<ConnId, BroadcastId>, int> delivered_;
  std::map<ConnId, bool> reachable_;
  int restarts_ = 0;
};

// One client: receives, remembers, marks shown unless told not to.
class TestClient final : public client::BroadcastListener {
 public:
  TestClient(asio::io_context& io, const std::string& journal, crypto::OsRandom& random,
             const config::Timing& timing)
      : random_(random) {
    auto receiver = client::BroadcastReceiver::Create({.journal_path = journal, .timing = timing},
                                                      io, clock_, random, *this);
    EXPECT_TRUE(receiver.ok()) << receiver.status();
    receiver_ = *std::move(receiver);
  }
  void Attach(relay::RelayPort& port, const net::SocketAddress& relay) {
    conn = random_.NewId<ConnId>();
    Secret<32> psk(random_.Array<32>());
    port.AddSession(conn, psk.Clone());
    client::AttachInfo info;
    info.conn_id = conn;
    info.psk = std::move(psk);
    info.relay = relay;
    info.broadcast_public_key = ServerKey().public_key();
    info.server_time = clock_.Wall();
    receiver_->Attach(std::move(info));
  }
  void OnBroadcast(const client::BroadcastMessage& message) override {
    messages.push_back(message);
    if (mark_shown) receiver_->MarkShown(message.id);
  }
  void OnUdpState(client::UdpState now) override { state = now; }
  void OnJournalFailed(const absl::Status& status) override { journal_status = status; }
  std::vector<std::string> Texts() const {
    std::vector<std::string> out;
    for (const auto& m : messages) out.push_back(m.text);
    return out;
  }
  client::BroadcastReceiver& receiver() { return *receiver_; }

  ConnId conn;
  bool mark_shown = true;
  client::UdpState state = client::UdpState::kOff;
  absl::Status journal_status;
  std::vector<client::BroadcastMessage> messages;

 private:
  SystemClock clock_;
  crypto::OsRandom& random_;
  std::unique_ptr<client::BroadcastReceiver> receiver_;
};

class RelayUdpTest : public ::testing::Test {
 protected:
  RelayUdpTest() {
    char name[] = "/tmp/p2p-relay-test-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~RelayUdpTest() override { std::filesystem::remove_all(directory_); }

  void StartRelay(const std::string& listen) {
    auto worker =
        relay::RelayWorkers::Start(*net::SocketAddress::Parse(listen), setup_,
                                   relay::OptionsFromTiming(timing_), clock_, random_, events_);
    ASSERT_TRUE(worker.ok()) << worker.status();
    worker_ = *std::move(worker);
    EXPECT_NE(worker_->address().port, 0);
  }
  std::unique_ptr<TestClient> NewClient(const std::string& name) {
    return std::make_unique<TestClient>(io_, directory_ + "/" + name, random_, timing_);
  }
  net::SocketAddress At(const std::string& ip) const {
    return {*net::IpAddress::Parse(ip), worker_->address().port};
  }
  void Publish(const relay::SignedBroadcastPtr& broadcast,
               const std::vector<std::unique_ptr<TestClient>>& clients) {
    worker_->AddBroadcast(broadcast, clock_.Mono() + 30min);
    for (const auto& c : clients) worker_->Queue(c->conn, broadcast->id);
  }
  // Of all workers together.
  uint64_t Count(relay::RelayCount which) const {
    uint64_t out = 0;
    for (size_t i = 0; i < worker_->size(); ++i) out += worker_->worker(i).counters().Get(which);
    return out;
  }
  uint64_t Count(relay::IoCount which) const {
    uint64_t out = 0;
    for (size_t i = 0; i < worker_->size(); ++i) out += worker_->worker(i).io_counters().Get(which);
    return out;
  }
  // Runs the clients until `done`; false after ten seconds.
  bool RunUntil(const std::function<bool()>& done) {
    const MonoTime end = clock_.Mono() + 10s;
    while (!done()) {
      if (clock_.Mono() > end) return false;
      io_.run_for(std::chrono::milliseconds(5));
      if (io_.stopped()) io_.restart();
    }
    return true;
  }

  SystemClock clock_;
  crypto::OsRandom random_;
  config::Timing timing_;
  std::string directory_;
  RecordingEvents events_;
  asio::io_context io_;
  relay::RelaySetup setup_;
  std::unique_ptr<relay::RelayWorkers> worker_;
};

}  // namespace p2p
