// The control-server as the app model sees it: calls go out through ControlPort, results come back
// as plain structs. peer-client/control implements it over gRPC.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "peer-client/app/broadcast_via.h"
#include "peer-client/app/output.h"

namespace p2p::client {

struct Penalty {
  std::string reason;
  std::optional<WallTime> until;
  std::string next_step;
};

struct CallError {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string message;   // From the server or the transport; untrusted.
  bool answered = true;  // False: nobody answered, so the outcome of the call is not known.
  std::optional<Duration> retry_after;
  std::optional<Penalty> penalty;
  // Connecting only: the server proved another key than the pinned one; the key it showed.
  std::optional<std::string> changed_fingerprint;
};

template <class T>
using Outcome = std::variant<T, CallError>;

struct HelloInfo {
  std::string server_name;
  std::string greeting;
  std::vector<Choice> choices;
  std::string fingerprint;  // Of the key the server proved.
};
struct SignupInfo {
  std::string message;
};
// What a log-in or a renewal yields. Both tokens are secret; kept in a 0600 file.
struct Session {
  std::string username;
  Bytes user_id;
  SecretText token;
  WallTime expires_at;
  std::vector<Choice> choices;
  Bytes introducer_key;
  Bytes broadcast_key;
  SecretText resume_token;  // Empty: of a server that renews no sessions.
  Session Clone() const {
    return {username, user_id,        token.Clone(), expires_at,
            choices,  introducer_key, broadcast_key, resume_token.Clone()};
  }
};
struct RequestInfo {
  std::string request_id;
  std::string peer;
};
// How a request stands: pending, or its outcome.
struct RequestStatusInfo {
  std::string state;
};
struct BroadcastInfo {
  std::string id;
  WallTime expires_at;
};
// Whether the server could connect to this client.
struct InboundInfo {
  enum class Result { kBegun, kReached, kRefused, kNoAnswer, kSomebodyElse };
  Result result = Result::kBegun;
  Bytes challenge;      // To be shown by who connects; kBegun.
  std::string address;  // What the server connects to.
};
struct Done {};

using PeerNonce = std::array<uint8_t, 16>;
struct ChatCandidate {
  std::string ip_address;
  uint16_t port = 0;
};
// What either side contributes to an introduction.
struct PeerOffer {
  PeerNonce nonce{};
  std::vector<ChatCandidate> candidates;
};

namespace event {

struct Attached {
  Bytes conn_id;
  Bytes relay_psk;
  std::string relay_ip;  // Empty: the control-server's address.
  uint16_t relay_port = 0;
  Duration reconnect_window{};
  Duration broadcast_retention{};
  WallTime server_time;
  std::string observed_ip;
};
struct PeerRequest {
  std::string request_id;
  std::string from;
  std::string ip_address;
  std::string reason;
  Duration expires_in{};
};
struct RequestOutcome {
  std::string request_id;
  std::string peer;
  std::string outcome;
};
struct Introduction {
  std::string request_id;
  Bytes signed_object;
  Bytes signature;
  bool requested_by_me = false;
};
struct PenaltyNotice {
  Penalty penalty;
};
struct RelayRestarted {
  Bytes conn_id;
  Bytes relay_psk;
  std::string relay_ip;
  uint16_t relay_port = 0;
};
struct Broadcast {
  std::string id;
  Bytes signed_object;
  Bytes signature;
  std::string text;
};
struct BroadcastRevoked {
  std::string id;
};
struct Detached {
  bool taken_over = false;
  bool logged_out = false;
  std::string message;
};
struct Rejected {
  std::string request_id;
  std::string message;
};

}  // namespace event

using ChannelEvent =
    std::variant<event::Attached, event::PeerRequest, event::RequestOutcome, event::Introduction,
                 event::PenaltyNotice, event::RelayRestarted, event::Broadcast,
                 event::BroadcastRevoked, event::Detached, event::Rejected>;

// Each order is answered by exactly one On... of the model, later, never before the order returns.
// Connect and Disconnect drop whatever is under way: its answers never come.
class ControlPort {
 public:
  virtual ~ControlPort() = default;
  // One TLS handshake with a server whose key is not known; closed at once. -> OnProbe
  virtual void Probe() = 0;
  // From now on only this key is accepted.
  virtual void Pin(const std::string& fingerprint) = 0;
  // A fresh connection with its own deadline, and Hello on it. -> OnHello
  virtual void Connect() = 0;
  virtual void Disconnect() = 0;
  virtual void Signup(const std::string& username, absl::string_view password,
                      absl::string_view confirm_password) = 0;                      // -> OnSignup
  virtual void Login(const std::string& username, absl::string_view password) = 0;  // -> OnLogin
  // Renews the session, signed with the device's key. -> OnResumed
  virtual void Resume(const SecretText& resume_token, const std::array<uint8_t, 16>& nonce) = 0;
  // The token of every call from now on; empty for none.
  virtual void UseToken(const SecretText& token) = 0;
  virtual void Logout() = 0;  // -> OnLogout
  virtual void List() = 0;    // All pages. -> OnList
  virtual void Request(const std::string& peer, bool is_address, const std::string& reason,
                       const PeerOffer& offer) = 0;               // -> OnRequest
  virtual void RequestStatus(const std::string& request_id) = 0;  // -> OnRequestStatus
  // `ttl_s` 0: the longest. -> OnBroadcast
  virtual void Broadcast(const std::string& text, const std::string& key, uint32_t ttl_s) = 0;
  virtual void BroadcastStatus(const std::string& id) = 0;  // -> OnBroadcastStatus
  virtual void RevokeBroadcast(const std::string& id) = 0;  // -> OnBroadcastStatus
  virtual void Penalties() = 0;                             // -> OnPenalties
  // Begins a check with an empty challenge, goes on with the one that was answered. -> OnInbound
  virtual void CheckInbound(const Bytes& challenge) = 0;
  // Opens the channel and sends Attach. -> OnChannelEvent..., OnChannelEnd once.
  virtual void Attach(uint16_t chat_port) = 0;
  // On an open channel; ignored without one.
  virtual void Approve(const std::string& request_id, const PeerOffer& offer) = 0;
  virtual void Deny(const std::string& request_id) = 0;
  virtual void Cancel(const std::string& request_id) = 0;
  virtual void AckIntroduction(const std::string& request_id) = 0;
  // `via`: by which way it came; nullopt: that is not known.
  virtual void AckBroadcast(const std::string& broadcast_id, std::optional<BroadcastVia> via) = 0;
};

}  // namespace p2p::client
