// Introductions on the server: the one thread on which presence, channels, peer requests and
// penalties live. This class is the door to them: it carries calls to that thread, turns its
// timers, and hands the work to the desks.
#pragma once

#include <memory>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "control-server/admission/connection_control.h"
#include "control-server/service/hub_view.h"
#include "control-server/service/request_flow.h"

namespace p2p::server {

enum class HubCount {
  kChannels,  // Opened.
  kAttached,
  kStuckReaders,   // Cut because they did not read.
  kOverflows,      // Ended because too much was waiting for them.
  kIgnoredEvents,  // Unknown, or malformed acknowledgements.
  kPenalties,
  kCount
};

// Construction wires, Load fills, then the owner runs `io` on one thread until after the gRPC
// server was shut down and the store queue stopped. Everything but the constructor, Load and
// SetListener is thread-safe and never blocks.
class Hub final : public PresenceView, public PenaltyView, public SessionEnder {
 public:
  struct Parts {
    asio::io_context& io;
    const config::Timing& timing;
    const Clock& clock;
    Random& random;  // Used on the hub thread only.
    const crypto::SigningKey& introducer;
    SessionTable& sessions;
    StoreQueue& store;
    ConnectionControl& connections;
    relay::RelayPort* relay = nullptr;  // Null: no relay.
    FindRelay find_relay;               // Called on the hub thread; not without a relay.
  };
  explicit Hub(Parts parts);

  // What was remembered across the restart. Blocks on the store; before `io` runs and before the
  // first call.
  absl::Status Load();
  // Before `io` runs. May be null.
  void SetListener(AttachmentListener* listener) { attachments_.SetListener(listener); }

  // PresenceView, PenaltyView, SessionEnder.
  std::shared_ptr<const PresenceSnapshot> Snapshot() const override { return board_.Snapshot(); }
  std::optional<Cooldown> CooldownOf(UserId user) const override;
  std::optional<StandingPenalty> PenaltyOf(UserId user) const override {
    return penalties_.PenaltyOf(user);
  }
  void EndSession(TokenHash token) override;
  void RevokeSession(TokenHash session) override;

  // For the operator. The account's tokens are dead already: ends its channels with
  // Detached{SESSION_ENDED, why} and its presence, without grace.
  void EndSessionsOf(UserId user, std::string why);
  void LiftPenalty(UserId user) { penalties_.Lift(user); }
  // `done` runs on the hub thread.
  void ListAttached(absl::AnyInvocable<void(std::vector<AttachedSession>)> done);

  // PeeringService.
  void RequestPeer(RequestPeerOrder order, RequestPeerDone done);
  // `done(null)`: unknown, or not this caller's to see. The pointer is good during the call.
  void GetRequest(RequestId id, UserId caller, absl::AnyInvocable<void(const PeerRequest*)> done);
  // Where the session's client accepts conversations, as the server sees it; nullopt when it is not
  // attached. `done` runs on the hub thread.
  void FindChatAddress(CallerPtr caller,
                       absl::AnyInvocable<void(std::optional<net::SocketAddress>)> done);
  // Of a channel: opened once, then events one at a time (the hub asks for the next by
  // ChannelOutbox::Read), closed once.
  void OnChannelOpened(ChannelPtr channel);
  void OnChannelEvent(ChannelPtr channel, std::unique_ptr<v1::ClientEvent> event);
  void OnChannelClosed(ChannelPtr channel, Presence::End end);

  void OnRelayRestarted();
  // Ends every channel, present and future, with Detached{SHUTTING_DOWN} and OK.
  void Shutdown();

  const Counters<HubCount>& counters() const { return counters_; }

 private:
  static constexpr Duration kSweepEvery = 1s;
  static constexpr Duration kForgetEvery = 60s;

  template <class F>
  void Post(F work);
  void Dispatch(const ChannelPtr& channel, const v1::ClientEvent& event);
  void DispatchAttached(const ChannelPtr& channel, const v1::ClientEvent& event);
  void FirstEvent(const ChannelPtr& channel, const v1::ClientEvent& event);
  void DoEndSession(TokenHash token, bool revoked);
  void DoEndSessionsOf(UserId user, const std::string& why);

  void Arm();
  void OnTimer();
  void Sweep(MonoTime now);
  void EndAllDue(bool some_ended, MonoTime now);
  bool IsStuck(const ClientChannel& channel, MonoTime now) const;
  bool IsLate(const ClientChannel& channel, MonoTime now) const;
  // The channel is stuck, or should have ended. `some_ended`: sessions ended since the last look.
  bool IsDue(const ClientChannel& channel, bool some_ended, MonoTime now) const;
  void EndDue(const ChannelPtr& channel, MonoTime now);
  void SendPresence();

  asio::io_context& io_;
  const config::Timing timing_;
  const Clock& clock_;
  SessionTable& sessions_;
  StoreQueue& store_;
  ConnectionControl& connections_;
  Counters<HubCount> counters_;

  AttachedClients clients_;
  PresenceBoard board_;
  IntroductionDesk introductions_;
  RequestDesk requests_;
  PenaltyDesk penalties_;
  AttachDesk attachments_;
  RequestFlow flow_;

  absl::flat_hash_set<ChannelPtr> channels_;  // From opened to closed.
  bool shutting_down_ = false;
  asio::steady_timer timer_;
  std::optional<MonoTime> armed_for_;
  MonoTime swept_at_;
  uint64_t removed_seen_ = 0;  // Of sessions_.removed(), at the last sweep.
  // Looking at every channel is most of what idle clients cost here: a quarter of the shortest
  // deadline a channel can miss, unless sessions ended.
  const Duration look_every_;
  MonoTime looked_at_;
  MonoTime forgot_at_;
};

}  // namespace p2p::server
