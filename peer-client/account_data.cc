#include "peer-client/account_data.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/wire/limits.h"
#include "peer-client/chat/local_network.h"

namespace p2p::client {
namespace {

UdpPath PathOf(UdpState state) {
  switch (state) {
    case UdpState::kOff:
      return UdpPath::kNone;
    case UdpState::kRegistering:
      return UdpPath::kTrying;
    case UdpState::kWorking:
      return UdpPath::kWorks;
    case UdpState::kUnusable:
      break;
  }
  return UdpPath::kBlocked;
}

}  // namespace

AccountData::AccountData(asio::io_context& loop, const DataDirectory& directory,
                         const config::Timing& timing, const Clock& clock, Random& random,
                         Hooks hooks)
    : loop_(loop),
      directory_(directory),
      timing_(timing),
      clock_(clock),
      random_(random),
      hooks_(std::move(hooks)),
      relay_start_(loop) {}

AccountData::~AccountData() = default;

void AccountData::Close() {
  CancelRelayStart();
  broadcasts_.reset();
  udp_ = UdpPath::kNone;
  chats_.reset();
  files_.reset();
  history_.reset();
  blocked_.reset();
}

// Conversations -------------------------------------------------------------------------------

ChatCallbacks AccountData::MakeCallbacks() {
  ChatCallbacks callbacks;
  callbacks.on_open = [this](const ChatOpened& opened) {
    hooks_.show(out::ChatOpen{opened.peer, opened.path, opened.reopened, opened.identity});
  };
  callbacks.on_message = [this](const ChatReceived& received) {
    Note({HistoryEntry::Kind::kIn, received.peer, received.id.Hex(), received.sent_at,
          received.text});
    const bool shown = hooks_.show(out::Chat{received.peer, received.id.Hex(), received.text,
                                             received.sent_at, received.replayed});
    if (chats_ && shown) chats_->MarkShown(received.peer, received.id);
  };
  callbacks.on_receipt = [this](const ChatReceipt& receipt) {
    hooks_.show(
        out::Receipt{receipt.peer, receipt.id.Hex(), std::string(ReceiptStateName(receipt.state))});
  };
  callbacks.on_closed = [this](const ChatClosed& closed) {
    hooks_.show(out::ChatClosed{closed.peer, closed.reason, closed.for_good});
  };
  callbacks.on_dial_failed = [this](const DialFailed& failed) {
    hooks_.show(out::ChatClosed{
        failed.peer, absl::StrCat("no direct connection: ", absl::StrJoin(failed.reasons, "; ")),
        false});
  };
  return callbacks;
}

absl::StatusOr<uint16_t> AccountData::Open(const Session& session) {
  const std::string server = hooks_.fingerprint();
  if (chats_ && account_ == session.user_id && server_ == server) return chats_->ChatPort();
  Close();
  P2P_ASSIGN_OR_RETURN(const std::string directory, directory_.AccountDirectory(server, session));
  TransferDesk::Hooks file_hooks;
  file_hooks.show = [this](Output output) { (void)hooks_.show(std::move(output)); };
  file_hooks.wake = [this](const std::string& peer) {
    asio::post(loop_, [this, peer] {
      if (chats_) chats_->Wake(peer);
    });
  };
  P2P_ASSIGN_OR_RETURN(
      files_, TransferDesk::Create(loop_, clock_, random_, absl::StrCat(directory, "/files"),
                                   hooks_.downloads, std::move(file_hooks)));
  ChatOptions options;
  options.files = files_.get();
  options.state_dir = absl::StrCat(directory, "/chat");
  options.send_read_receipts = hooks_.read_receipts;
  P2P_ASSIGN_OR_RETURN(auto chats,
                       ChatManager::Create(loop_, directory_.device_key(), timing_, clock_, random_,
                                           std::move(options), MakeCallbacks()));
  P2P_ASSIGN_OR_RETURN(const uint16_t port, chats->Listen());
  P2P_ASSIGN_OR_RETURN(auto broadcasts,
                       BroadcastReceiver::Create({absl::StrCat(directory, "/broadcasts"), timing_},
                                                 loop_, clock_, random_, *this));
  P2P_ASSIGN_OR_RETURN(BlockList blocked, BlockList::Open(absl::StrCat(directory, "/blocked")));
  OpenHistory(absl::StrCat(directory, "/history.db"));
  account_ = session.user_id;
  server_ = server;
  blocked_ = std::move(blocked);
  chats_ = std::move(chats);
  broadcasts_ = std::move(broadcasts);
  broadcasts_->EmitUnshown();
  files_->ShowWaiting();
  return port;
}

PeerOffer AccountData::MakeOffer(Duration limit) {
  PeerOffer offer;
  if (!chats_) return offer;
  offer.nonce = chats_->MakeNonce(limit);
  for (const LocalAddress& local : LocalAddresses()) {
    if (offer.candidates.size() >= wire::kMaxCandidates) break;
    if (local.ip.IsPrivate()) offer.candidates.push_back({local.ip.ToString(), chats_->ChatPort()});
  }
  return offer;
}

absl::Status AccountData::Introduce(const event::Introduction& introduction,
                                    const Session& session) {
  if (!chats_) return absl::FailedPreconditionError("no account is open");
  return chats_->OnIntroduction(introduction.signed_object, introduction.signature,
                                session.introducer_key, session.username);
}

absl::StatusOr<std::string> AccountData::Send(const std::string& peer, const std::string& text) {
  if (!chats_) return absl::FailedPreconditionError("no account is open");
  P2P_ASSIGN_OR_RETURN(const MessageId id, chats_->Send(peer, text));
  Note({HistoryEntry::Kind::kOut, peer, id.Hex(), clock_.Wall(), text});
  return id.Hex();
}

absl::Status AccountData::HangUp(const std::string& peer) {
  if (!chats_) return absl::NotFoundError("no account is open");
  return chats_->HangUp(peer);
}

absl::StatusOr<out::Identity> AccountData::Identity(const std::string& peer) {
  if (!chats_) return absl::NotFoundError("no account is open");
  P2P_ASSIGN_OR_RETURN(PeerIdentity known, chats_->Identity(peer));
  return out::Identity{std::move(known.peer), std::move(known.state),
                       std::move(known.safety_number)};
}

std::string AccountData::IdentityState(const std::string& peer) const {
  return chats_ ? chats_->IdentityState(peer) : "";
}

absl::Status AccountData::MarkVerified(const std::string& peer) {
  if (!chats_) return absl::NotFoundError("no account is open");
  return chats_->MarkVerified(peer);
}

absl::Status AccountData::TrustKey(const std::string& peer) {
  if (!chats_) return absl::NotFoundError("no account is open");
  return chats_->Trust(peer);
}

bool AccountData::AnyWaiting() {
  if (!chats_) return false;
  const auto peers = chats_->Peers();
  return std::any_of(peers.begin(), peers.end(),
                     [&](const std::string& peer) { return !chats_->IsOpen(peer); });
}

void AccountData::Found(const std::vector<out::ActiveClient>& clients) {
  if (!chats_) return;
  for (const auto& client : clients) {
    const auto ip = net::IpAddress::Parse(client.ip_address);
    if (ip) chats_->SetFound(client.username, *ip);
  }
}

absl::StatusOr<out::Path> AccountData::Path(const std::string& peer) {
  if (!chats_) return absl::NotFoundError("no account is open");
  P2P_ASSIGN_OR_RETURN(PathInfo info, chats_->Path(peer));
  return out::Path{std::move(info.peer), info.open, std::move(info.path), info.rtt, info.chat_port,
                   std::move(info.tried)};
}

absl::StatusOr<out::Outbox> AccountData::Outbox(const std::string& peer) {
  if (!chats_) return absl::NotFoundError("no account is open");
  out::Outbox out;
  for (const std::string& name : peer.empty() ? chats_->Peers() : std::vector{peer}) {
    P2P_ASSIGN_OR_RETURN(const auto waiting, chats_->Waiting(name));
    for (const auto& message : waiting) {
      out.entries.push_back({name, message.id.Hex(), message.sent_at, message.text});
    }
  }
  return out;
}

absl::Status AccountData::SetBlocked(const std::string& name, bool blocked) {
  if (!blocked_) return absl::FailedPreconditionError("log in first");
  return blocked_->Set(name, blocked);
}

std::vector<std::string> AccountData::Blocked() {
  return blocked_ ? blocked_->names() : std::vector<std::string>();
}

void AccountData::ExpectProbe(const Bytes& challenge) {
  if (chats_) chats_->ExpectProbe(challenge);
}

// Files ---------------------------------------------------------------------------------------

absl::StatusOr<std::string> AccountData::SendFile(const std::string& peer,
                                                  const std::string& path) {
  if (!chats_) return absl::FailedPreconditionError("no account is open");
  const auto peers = chats_->Peers();
  const auto known = std::find_if(peers.begin(), peers.end(), [&](const std::string& name) {
    return absl::EqualsIgnoreCase(name, peer);
  });
  if (known == peers.end()) return absl::FailedPreconditionError("no conversation");
  return files_->Offer(*known, path);
}

absl::Status AccountData::AcceptFile(const std::string& id) {
  return files_ ? files_->Accept(id) : absl::NotFoundError("no account is open");
}
absl::Status AccountData::CancelFile(const std::string& id) {
  return files_ ? files_->Cancel(id) : absl::NotFoundError("no account is open");
}
absl::Status AccountData::PauseFile(const std::string& id, bool on) {
  return files_ ? files_->Pause(id, on) : absl::NotFoundError("no account is open");
}
out::Transfers AccountData::Files() { return files_ ? files_->List() : out::Transfers(); }

// History -------------------------------------------------------------------------------------

void AccountData::OpenHistory(const std::string& path) {
  if (hooks_.history_life <= Duration::zero()) return client::History::RemoveFile(path);
  auto history = client::History::Open(path);
  if (history.ok()) {
    const auto life = std::chrono::duration_cast<WallTime::duration>(hooks_.history_life);
    if (const absl::Status old = (*history)->Forget(clock_.Wall() - life); !old.ok()) {
      LogWarning("history_not_shortened", {{"error", old.message()}});
    }
    history_ = *std::move(history);
  } else {
    hooks_.show(out::Notice{std::string(history.status().message())});
  }
}

void AccountData::Note(const HistoryEntry& entry) {
  if (history_ == nullptr) return;
  const absl::Status added = history_->Add(entry);
  if (!added.ok()) LogWarning("history_failed", {{"error", added.message()}});
}

namespace {

absl::Status NoHistory() {
  return absl::FailedPreconditionError("no history is kept: history_days is 0");
}

out::History Shown(const std::vector<HistoryEntry>& entries) {
  out::History out;
  for (const HistoryEntry& e : entries) {
    out.entries.push_back({std::string(HistoryKindName(e.kind)), e.peer, e.id, e.at, e.text});
  }
  return out;
}

}  // namespace

absl::StatusOr<out::History> AccountData::History(const std::string& peer, size_t most) {
  if (history_ == nullptr) return NoHistory();
  P2P_ASSIGN_OR_RETURN(const auto entries, history_->Newest(peer, most));
  return Shown(entries);
}

absl::StatusOr<out::History> AccountData::SearchHistory(const std::string& text) {
  if (history_ == nullptr) return NoHistory();
  P2P_ASSIGN_OR_RETURN(const auto entries, history_->Search(text, client::History::kMost));
  return Shown(entries);
}

absl::StatusOr<out::Exported> AccountData::ExportHistory(const std::string& path) {
  if (history_ == nullptr) return NoHistory();
  P2P_ASSIGN_OR_RETURN(const size_t lines, history_->Export(path));
  return out::Exported{path, lines};
}

// Broadcasts ----------------------------------------------------------------------------------

void AccountData::Attach(const event::Attached& attached, const Session& session) {
  attached_ = attached;
  broadcast_key_ = session.broadcast_key;
  CancelRelayStart();
  StartRelay();
}

void AccountData::RelayRestarted(const event::RelayRestarted& restarted) {
  attached_.conn_id = restarted.conn_id;
  attached_.relay_psk = restarted.relay_psk;
  attached_.relay_ip = restarted.relay_ip;
  attached_.relay_port = restarted.relay_port;
  CancelRelayStart();
  // Everybody is told at the same moment; a relay that just came back is not to be overrun.
  const auto window =
      static_cast<uint64_t>(std::max<Duration>(attached_.reconnect_window, 1ms).count());
  relay_start_.expires_after(Duration(static_cast<int64_t>(random_.Below(window))));
  relay_start_.async_wait([this, mine = relay_starts_](const asio::error_code& error) {
    if (!error && mine == relay_starts_) StartRelay();
  });
}

void AccountData::CancelRelayStart() {
  ++relay_starts_;
  relay_start_.cancel();
}

void AccountData::StartRelay() {
  AttachInfo info;
  const auto conn = ConnId::FromBytes(attached_.conn_id);
  if (!broadcasts_ || !conn || broadcast_key_.size() != info.broadcast_public_key.size()) {
    LogWarning("attach_unusable", {{"conn_id_bytes", attached_.conn_id.size()},
                                   {"broadcast_key_bytes", broadcast_key_.size()}});
    return;
  }
  info.conn_id = *conn;
  std::copy(broadcast_key_.begin(), broadcast_key_.end(), info.broadcast_public_key.begin());
  auto ip = net::IpAddress::Parse(attached_.relay_ip);
  if (!ip) ip = hooks_.server_address();
  const auto psk = info.psk.mutable_view();
  if (attached_.relay_port != 0 && ip && attached_.relay_psk.size() == psk.size()) {
    info.relay = net::SocketAddress{*ip, attached_.relay_port};
    std::copy(attached_.relay_psk.begin(), attached_.relay_psk.end(), psk.begin());
  }
  if (attached_.broadcast_retention > Duration::zero()) {
    info.retention = attached_.broadcast_retention;
  }
  info.server_time = attached_.server_time;
  broadcasts_->Attach(std::move(info));
}

absl::Status AccountData::OnChannelBroadcast(const event::Broadcast& broadcast) {
  const auto id = BroadcastId::FromHex(broadcast.id);
  if (!broadcasts_) return absl::FailedPreconditionError("no account is open");
  if (!id) return absl::InvalidArgumentError("malformed broadcast id");
  return broadcasts_->OnChannelBroadcast(*id, broadcast.signed_object, broadcast.signature,
                                         broadcast.text);
}

void AccountData::Detach() {
  CancelRelayStart();
  if (broadcasts_) broadcasts_->Detach();
}

bool AccountData::OnRevoked(const event::BroadcastRevoked& revoked) {
  const auto id = BroadcastId::FromHex(revoked.id);
  if (!broadcasts_ || !id) return false;
  bool has = false;
  if (const auto shown = broadcasts_->TakeBack(*id, has)) {
    (void)hooks_.show(
        out::BroadcastRevoked{revoked.id, shown->sender_name, shown->sent_at, shown->text});
  }
  return has;
}

std::optional<BroadcastVia> AccountData::Via(const std::string& id) {
  const auto parsed = BroadcastId::FromHex(id);
  return broadcasts_ && parsed ? broadcasts_->Via(*parsed) : std::nullopt;
}

void AccountData::OnBroadcast(const BroadcastMessage& message) {
  Note({HistoryEntry::Kind::kBroadcast, message.sender_name, message.id.Hex(), message.sent_at,
        message.text});
  const bool shown = hooks_.show(
      out::Broadcast{message.id.Hex(), message.sender_name, message.sent_at, message.expires_at,
                     message.text, std::string(BroadcastViaName(message.via)), message.replayed});
  if (shown && broadcasts_) broadcasts_->MarkShown(message.id);
}

void AccountData::MarkShown(const std::string& peer, const std::string& id) {
  if (peer.empty()) {
    const auto broadcast = BroadcastId::FromHex(id);
    if (broadcasts_ && broadcast) broadcasts_->MarkShown(*broadcast);
  } else {
    const auto message = MessageId::FromHex(id);
    if (chats_ && message) chats_->MarkShown(peer, *message);
  }
}

void AccountData::OnUdpState(UdpState state) {
  udp_ = PathOf(state);
  if (state == UdpState::kUnusable) {
    hooks_.show(
        out::Notice{"Broadcasts come over the server connection: datagrams do not get through."});
  }
}

void AccountData::OnJournalFailed(const absl::Status& status) {
  hooks_.show(out::Error{"DATA_LOSS",
                         absl::StrCat("the journal of broadcasts failed: ", status.message()), ""});
}

}  // namespace p2p::client
