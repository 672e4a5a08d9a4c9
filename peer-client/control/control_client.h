// The control-server over gRPC: ControlPort for the app model. Lives on the client's loop; every
// result is posted there. A fresh channel for each connection, own deadlines, no library retries.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/config/timing.h"
#include "common/crypto/sign.h"
#include "peer-client/app/control_port.h"

namespace p2p::client {

// Where results go; on the loop, never from inside an order.
class ControlEvents {
 public:
  virtual ~ControlEvents() = default;
  virtual void OnProbe(Outcome<std::string> fingerprint) = 0;
  virtual void OnHello(Outcome<HelloInfo> hello) = 0;
  virtual void OnSignup(Outcome<SignupInfo> result) = 0;
  virtual void OnLogin(Outcome<Session> result) = 0;
  virtual void OnResumed(Outcome<Session> result) = 0;
  virtual void OnLogout(Outcome<Done> result) = 0;
  virtual void OnList(Outcome<std::vector<out::ActiveClient>> result) = 0;
  virtual void OnRequest(Outcome<RequestInfo> result) = 0;
  virtual void OnRequestStatus(Outcome<RequestStatusInfo> result) = 0;
  virtual void OnBroadcast(Outcome<BroadcastInfo> result) = 0;
  virtual void OnBroadcastStatus(Outcome<out::BroadcastStatus> result) = 0;
  virtual void OnPenalties(Outcome<out::Penalties> result) = 0;
  virtual void OnInbound(Outcome<InboundInfo> result) = 0;
  virtual void OnChannelEvent(ChannelEvent event) = 0;
  virtual void OnChannelEnd(CallError error) = 0;
};

struct ControlOptions {
  std::string host;
  uint16_t port = 0;
  std::optional<std::string> pin;  // The fingerprint to accept; may be set later by Pin.
  std::string ca_pem;              // Instead of a pin: verify by this authority and the host name.
  const crypto::SigningKey* device_key = nullptr;  // Outlives the client.
  bool take_over = true;  // Attach in place of another client of the account.
  std::string client_version;
  config::Timing timing;
};

class ControlClient final : public ControlPort {
 public:
  // `loop` and `events` outlive the client.
  ControlClient(asio::io_context& loop, ControlEvents& events, ControlOptions options);
  // Cancels what is under way and waits until the library has let go of it; closes the channel
  // cleanly first if CloseChannel was called and the loop had time for it.
  ~ControlClient() override;

  // Ends the open channel cleanly; `done` when the server has ended it, or at once without one.
  void CloseChannel(std::function<void()> done);
  // The address at which the server is reached, for a relay that has none of its own; "" when not
  // connected.
  std::string ServerAddress() const;

  void Probe() override;
  void Pin(const std::string& fingerprint) override;
  void Connect() override;
  void Disconnect() override;
  void Signup(const std::string& username, absl::string_view password,
              absl::string_view confirm_password) override;
  void Login(const std::string& username, absl::string_view password) override;
  void Resume(const SecretText& resume_token, const std::array<uint8_t, 16>& nonce) override;
  void UseToken(const SecretText& token) override;
  void Logout() override;
  void List() override;
  void Request(const std::string& peer, bool is_address, const std::string& reason,
               const PeerOffer& offer) override;
  void RequestStatus(const std::string& request_id) override;
  void Broadcast(const std::string& text, const std::string& key, uint32_t ttl_s) override;
  void BroadcastStatus(const std::string& id) override;
  void RevokeBroadcast(const std::string& id) override;
  void Penalties() override;
  void CheckInbound(const Bytes& challenge) override;
  void Attach(uint16_t chat_port) override;
  void Approve(const std::string& request_id, const PeerOffer& offer) override;
  void Deny(const std::string& request_id) override;
  void Cancel(const std::string& request_id) override;
  void AckIntroduction(const std::string& request_id) override;
  void AckBroadcast(const std::string& broadcast_id, std::optional<BroadcastVia> via) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace p2p::client
