// The hub and PeeringService behind the real front (TLS, accept loop, connection registry), with a
// memory store and sessions made directly, so that no test waits for a password hash.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/crypto/os_random.h"
#include "control-server/grpc_front.h"
#include "control-server/service/hub_thread.h"
#include "control-server/service/peering_service.h"
#include "control-server/store/memory_store.h"

namespace p2p::server {

inline constexpr Duration kPatience = 15s;  // Of a test for something that must happen.

// Notes sessions; carries nothing.
class RecordingRelay final : public relay::RelayPort {
 public:
  void AddSession(ConnId session, Secret<32> psk) override;
  void RemoveSession(ConnId session) override;
  void AddBroadcast(relay::SignedBroadcastPtr, MonoTime) override {}
  void RemoveBroadcast(BroadcastId) override {}
  void Queue(ConnId, BroadcastId) override {}
  // Hex of the session's psk; empty: no such session.
  std::string PskOf(const std::string& conn_id);
  size_t sessions();

 private:
  Mutex mu_;
  std::map<std::string, std::string> psk_ ABSL_GUARDED_BY(mu_);  // By the bytes of the ConnId.
};

// Notes what the hub says about attachments.
class RecordingListener final : public AttachmentListener {
 public:
  void OnAttached(const Attachment& attachment) override {
    Note("attached " + attachment.username);
  }
  void OnDetached(UserId, ConnId) override { Note("detached"); }
  void OnBroadcastAck(UserId, ConnId, BroadcastId broadcast, DeliveryVia) override {
    Note("ack " + broadcast.Hex());
  }
  std::vector<std::string> notes();

 private:
  void Note(std::string note);
  Mutex mu_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mu_);
};

// Polls until `condition` holds; false after kPatience.
bool WaitUntil(const std::function<bool()>& condition);

// One open ApprovalChannel of a caller. Events are collected by a thread of its own.
class TestChannel {
 public:
  TestChannel(v1::PeeringService::Stub& stub, const std::string& authorization);
  ~TestChannel();  // Breaks the call unless it ended.

  bool Send(const v1::ClientEvent& event) { return stream_->Write(event); }
  void SendAttach(bool take_over = false, bool watch = false);
  void SendApprove(const std::string& request_id, const std::string& nonce);
  void SendDeny(const std::string& request_id);
  void SendCancel(const std::string& request_id);
  void SendIntroductionAck(const std::string& request_id);
  // The clean end, from the client's side.
  void CloseSending() { stream_->WritesDone(); }
  void Break() { context_.TryCancel(); }

  // The next event, of that kind; a failure of the test otherwise.
  v1::ServerEvent Expect(v1::ServerEvent::EventCase kind);
  // Nothing that is not skipped came so far; used after another event proved that it would have.
  size_t Waiting();
  // Waits for the end of the call.
  grpc::Status Finish();

 private:
  void ReadLoop();

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ClientEvent, v1::ServerEvent>> stream_;
  Mutex mu_;
  CondVar changed_;
  std::deque<v1::ServerEvent> events_ ABSL_GUARDED_BY(mu_);
  std::optional<grpc::Status> status_ ABSL_GUARDED_BY(mu_);
  std::thread reader_;
};

// One connection to the server.
class TestPeer {
 public:
  TestPeer(const net::SocketAddress& server, const std::string& root_certificate);

  std::string authorization;
  std::unique_ptr<TestChannel> Open() {
    return std::make_unique<TestChannel>(*stub_, authorization);
  }
  // Opens and attaches.
  std::unique_ptr<TestChannel> Attach(bool take_over = false, bool watch = false);
  grpc::Status Request(const v1::RequestPeerRequest& request);
  grpc::Status RequestName(const std::string& username);
  grpc::Status RequestAddress(const std::string& ip_address);
  grpc::Status Get(const std::string& request_id);

  grpc::Status CheckInbound(const std::string& challenge = "");

  v1::RequestPeerResponse requested;
  v1::GetRequestResponse got;
  v1::CheckInboundResponse inbound;
  grpc::Channel& channel() { return *channel_; }

 private:
  std::unique_ptr<grpc::ClientContext> NewCall() const;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::PeeringService::Stub> stub_;
};

// A well-formed request for nobody yet.
v1::RequestPeerRequest NewRequest();

class PeeringFixture : public ::testing::Test {
 protected:
  PeeringFixture();
  ~PeeringFixture() override;

  void Start();
  // As after a crash: everything but the store is new.
  void Restart();
  void Stop();

  struct TokenOptions {
    bool device = true;
    uint16_t chat_port = 4401;
    Duration lifetime = 1h;
  };
  // A session of that account, which is made when it does not exist.
  std::string NewToken(const std::string& username) { return NewToken(username, TokenOptions{}); }
  std::string NewToken(const std::string& username, const TokenOptions& options);
  // A connection of a user with a fresh session.
  std::unique_ptr<TestPeer> NewPeer(const std::string& username);
  std::unique_ptr<TestPeer> NewPeer(const std::string& username, const TokenOptions& options);
  std::vector<std::string> Active() const;
  TokenHash HashOf(const std::string& authorization) const;
  // Runs `work` on the store thread and waits.
  template <class F>
  auto InStore(F work) {
    using Result = std::invoke_result_t<F&, Store&>;
    std::promise<Result> answer;
    queue().Submit(std::move(work), [&](Result r) { answer.set_value(std::move(r)); });
    return answer.get_future().get();
  }

  // Change before Start.
  SystemClock clock_;
  config::Timing timing_;
  bool with_relay_ = true;
  AttachmentListener* use_listener_ = &listener_;

  MemoryStore store_;
  RecordingRelay relay_;
  RecordingListener listener_;
  const crypto::SigningKey introducer_ = crypto::SigningKey::Generate();

  struct Running;
  std::unique_ptr<Running> running_;
  Hub& hub();
  StoreQueue& queue();
  SessionTable& sessions();
  InboundDesk& inbound();

 private:
  Account AccountOf(const std::string& username);
  crypto::OsRandom random_;
  crypto::PemPair certificate_;
};

}  // namespace p2p::server
