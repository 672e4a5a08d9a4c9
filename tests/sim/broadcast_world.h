// A relay, its owner and any number of clients on a simulated network: everything of a broadcast
// but gRPC, sockets and disks.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/sign.h"
#include "peer-client/broadcast/broadcast_inbox.h"
#include "peer-client/broadcast/receiver_core.h"
#include "tests/fakes/memory_storage.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_owner.h"
#include "tests/tools/ledger_checker.h"
#include "tests/tools/source_watch.h"
#include "udp-relay/core/relay_engine.h"

namespace p2p::sim {

class BroadcastWorld;

// A client with journal. May be attached, detached and restarted at will.
class SimClient final : public client::ReceiverCore::Inbox {
 public:
  SimClient(BroadcastWorld& world, std::string name, net::IpAddress ip, uint64_t seed);

  void Attach();
  void Detach(bool say_so = true);
  // The process ends without a word and starts again: keys and memory are gone, the journal stays;
  // after loss of power only what was synced of it.
  enum class End { kKilled, kPowerCut };
  void Restart(End end = End::kKilled);
  // The relay lost its sessions, says the channel: registers anew.
  void Register(Secret<32> psk);
  // A broadcast over the channel.
  void OnChannel(const relay::SignedBroadcast& broadcast);
  // Shown, with the time in ms of the wall clock.
  const std::vector<testing::LedgerClient::Shown>& shown() const { return shown_; }
  std::vector<std::string> texts() const { return texts_; }
  // Shown before, and again after a restart because the mark was lost: allowed, and said so.
  const std::vector<BroadcastId>& replayed() const { return replayed_; }
  testing::LedgerClient ToLedger() const;
  const std::string& name() const { return name_; }
  net::SocketAddress address() const { return address_; }
  client::UdpState state() const { return core_->state(); }
  // A datagram from the network, or one that a test replays.
  void OnDatagram(ByteView datagram);
  uint64_t datagrams_sent() const { return datagrams_sent_; }
  int sockets_opened() const { return sockets_opened_; }
  client::BroadcastInbox& inbox() { return *inbox_; }
  // Sees every datagram that the client sends.
  std::function<void(ByteView)> on_send;
  // … and every one that reaches it.
  std::function<void(ByteView)> on_receive;
  std::optional<ConnId> conn() const { return conn_; }
  // The present attachment's; only while there is one.
  int64_t attached_at_ms() const { return active_.back().from_ms; }
  UserId user() const { return user_; }

 private:
  client::ReceiverCore::Inbox::Known Find(BroadcastId id) const override;
  std::vector<BroadcastId> Newest(size_t max) const override { return inbox_->Newest(max); }
  void OnPayload(BroadcastId id, ByteView payload) override;
  void Boot();
  void Pump();
  void Rebind();

  BroadcastWorld& world_;
  std::string name_;
  UserId user_;
  net::SocketAddress address_;
  SeededRandom random_;
  client::MemoryStorage storage_;
  std::unique_ptr<client::BroadcastJournal> journal_;
  std::unique_ptr<client::BroadcastInbox> inbox_;
  std::unique_ptr<client::ReceiverCore> core_;
  std::optional<ConnId> conn_;
  std::optional<MonoTime> wake_;
  uint64_t datagrams_sent_ = 0;
  int sockets_opened_ = 0;
  std::vector<testing::LedgerClient::Stretch> active_;
  std::vector<testing::LedgerClient::Shown> shown_;
  std::vector<std::string> texts_;
  std::vector<BroadcastId> replayed_;
};

class BroadcastWorld final : public relay::RelayEvents {
 public:
  explicit BroadcastWorld(uint64_t seed, Impairment impairment = {},
                          relay::RelayOptions options = {});
  ~BroadcastWorld() override;

  SimNetwork& net() { return net_; }
  SimClient& AddClient(const std::string& name);
  // Signs it, keeps it for `ttl`, queues it for everybody attached and whoever attaches in time.
  BroadcastId Publish(const std::string& text, Duration ttl = 30min,
                      const std::string& sender = "alice");
  // What is wrong with who was shown what, with what the ledger says of it, and with what the relay
  // sent to whom.
  std::vector<std::string> Check() const;
  void RunFor(Duration d) { net_.RunFor(d); }

  relay::RelayEngine& engine() { return *engine_; }
  const relay::RelayCounters& counters() const { return counters_; }
  std::vector<std::unique_ptr<SimClient>>& clients() { return clients_; }
  const net::SocketAddress& relay_address() const { return relay_address_; }
  // The relay process dies and comes back empty; its owner feeds it again and tells the clients.
  void RestartRelay();
  // The server and its relay lose power and come back; everybody attaches again.
  void RestartServer();
  const config::Timing& timing() const { return timing_; }
  const crypto::PublicKey& broadcast_key() const { return key_.public_key(); }
  // Every datagram that reached the relay, when recording.
  void Record(bool on) { recording_ = on; }
  const std::vector<std::pair<net::SocketAddress, Bytes>>& recorded() const { return recorded_; }
  const std::map<ConnId, bool>& reachable() const { return reachable_; }
  void PumpRelay();

  // For SimClient.
  Secret<32> OnAttach(SimClient& client, ConnId conn);
  void OnDetach(ConnId conn);
  void OnChannelAck(SimClient& client, BroadcastId id);

 private:
  struct Live {
    relay::SignedBroadcastPtr broadcast;
    MonoTime expires;
    testing::LedgerBroadcast row;
  };
  void OnDelivered(ConnId session, BroadcastId broadcast) override;
  void OnReachable(ConnId session, bool reachable) override;
  void OnRelayRestarted() override {}
  void StartRelay();
  // Shown, and the ledger had the time to learn it and does not say so.
  void CheckThatTheLedgerKnows(std::vector<std::string>& wrong) const;
  // What the owner wants done; false when there was nothing.
  bool CarryOut();
  void Later(Duration at_most, std::function<void()> action);

  SimNetwork net_;
  SeededRandom random_;
  config::Timing timing_;
  relay::RelayOptions options_;
  relay::RelayCounters counters_;
  net::SocketAddress relay_address_;
  crypto::SigningKey key_;
  std::unique_ptr<relay::RelayEngine> engine_;
  relay::Outbox outbox_{64};
  SourceWatch watch_;
  MonoTime relay_started_{};
  std::optional<MonoTime> wake_;
  SimOwner owner_{net_};
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::map<BroadcastId, Live> broadcasts_;
  struct Session {
    SimClient* client;
    Secret<32> psk;
  };
  std::map<ConnId, Session> sessions_;
  std::map<ConnId, bool> reachable_;
  bool recording_ = false;
  std::vector<std::pair<net::SocketAddress, Bytes>> recorded_;
};

}  // namespace p2p::sim
