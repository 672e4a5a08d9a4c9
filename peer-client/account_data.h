// Conversations and received broadcasts of the account in use: ChatManager and BroadcastReceiver
// behind the app model's ports.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "peer-client/app/data_ports.h"
#include "peer-client/broadcast/broadcast_receiver.h"
#include "peer-client/chat/chat_manager.h"
#include "peer-client/state/block_list.h"
#include "peer-client/state/data_directory.h"
#include "peer-client/state/history.h"
#include "peer-client/transfer/transfer_desk.h"

namespace p2p::client {

class AccountData final : public PeerPort,
                          public FilePort,
                          public HistoryPort,
                          public BroadcastPort,
                          private BroadcastListener {
 public:
  struct Hooks {
    // Shows a record. True: it was written out; false: nobody reads it now, show it at the next
    // start.
    std::function<bool(Output)> show;
    std::function<std::string()> fingerprint;                       // Of the server in use.
    std::function<std::optional<net::IpAddress>()> server_address;  // While connected.
    Duration history_life{};                                        // Zero: none is kept.
    bool read_receipts = true;                                      // Peers hear what was shown.
    std::string downloads;                                          // Where received files go.
  };
  // Everything outlives it; on the loop's thread.
  AccountData(asio::io_context& loop, const DataDirectory& directory, const config::Timing& timing,
              const Clock& clock, Random& random, Hooks hooks);
  ~AccountData() override;
  void Close();  // All connections and files; before the loop ends.
  // What `show` did not know yet: now its reader has this message or (no peer) broadcast.
  void MarkShown(const std::string& peer, const std::string& id);

  absl::StatusOr<uint16_t> Open(const Session& session) override;
  PeerOffer MakeOffer(Duration limit) override;
  absl::Status Introduce(const event::Introduction& introduction, const Session& session) override;
  absl::StatusOr<std::string> Send(const std::string& peer, const std::string& text) override;
  absl::Status HangUp(const std::string& peer) override;
  absl::StatusOr<out::Identity> Identity(const std::string& peer) override;
  std::string IdentityState(const std::string& peer) const override;
  absl::Status MarkVerified(const std::string& peer) override;
  absl::Status TrustKey(const std::string& peer) override;
  bool AnyWaiting() override;
  void Found(const std::vector<out::ActiveClient>& clients) override;
  absl::StatusOr<out::Path> Path(const std::string& peer) override;
  absl::StatusOr<out::Outbox> Outbox(const std::string& peer) override;
  absl::Status SetBlocked(const std::string& name, bool blocked) override;
  std::vector<std::string> Blocked() override;
  void ExpectProbe(const Bytes& challenge) override;

  absl::StatusOr<std::string> SendFile(const std::string& peer, const std::string& path) override;
  absl::Status AcceptFile(const std::string& id) override;
  absl::Status CancelFile(const std::string& id) override;
  absl::Status PauseFile(const std::string& id, bool on) override;
  out::Transfers Files() override;

  absl::StatusOr<out::History> History(const std::string& peer, size_t most) override;
  absl::StatusOr<out::History> SearchHistory(const std::string& text) override;
  absl::StatusOr<out::Exported> ExportHistory(const std::string& path) override;

  void Attach(const event::Attached& attached, const Session& session) override;
  void RelayRestarted(const event::RelayRestarted& restarted) override;
  absl::Status OnChannelBroadcast(const event::Broadcast& broadcast) override;
  bool OnRevoked(const event::BroadcastRevoked& revoked) override;
  std::optional<BroadcastVia> Via(const std::string& id) override;
  void Detach() override;
  UdpPath Udp() override { return udp_; }

 private:
  void OnBroadcast(const BroadcastMessage& message) override;
  void OnUdpState(UdpState state) override;
  void OnJournalFailed(const absl::Status& status) override;
  ChatCallbacks MakeCallbacks();
  void OpenHistory(const std::string& path);
  void Note(const HistoryEntry& entry);
  void StartRelay();
  void CancelRelayStart();

  asio::io_context& loop_;
  const DataDirectory& directory_;
  const config::Timing& timing_;
  const Clock& clock_;
  Random& random_;
  const Hooks hooks_;
  Bytes account_;  // User id of the open account.
  std::string server_;
  std::optional<BlockList> blocked_;
  std::unique_ptr<client::History> history_;  // Null: switched off.
  std::unique_ptr<TransferDesk> files_;
  std::unique_ptr<ChatManager> chats_;
  std::unique_ptr<BroadcastReceiver> broadcasts_;
  event::Attached attached_;  // Kept for RelayRestarted.
  asio::steady_timer relay_start_;
  uint64_t relay_starts_ = 0;  // A wait that was cancelled too late finds another number.
  Bytes broadcast_key_;
  UdpPath udp_ = UdpPath::kNone;
};

}  // namespace p2p::client
