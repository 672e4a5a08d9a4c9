// Inside of ChatManager.
#pragma once

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "peer-client/chat/chat_manager.h"
#include "peer-client/chat/expected_probe.h"
#include "peer-client/chat/introduction_check.h"
#include "peer-client/chat/knock_guard.h"
#include "peer-client/chat/link.h"
#include "peer-client/chat/link_listener.h"
#include "peer-client/state/known_peers.h"

namespace p2p::client {

// Kept by ChatManager alone; coroutines and posted callbacks hold it weakly or only while they run.
class ChatManager::Impl final : public LinkConnection::Owner,
                                public std::enable_shared_from_this<ChatManager::Impl> {
 public:
  Impl(asio::io_context& io, const crypto::PublicKey& device_key, const config::Timing& timing,
       const Clock& clock, Random& random, ChatOptions options, ChatCallbacks callbacks,
       std::shared_ptr<const net::PeerTlsContext> tls, LinkRecordStore store, KnownPeers known);

  DiskStorage& storage() { return storage_; }
  absl::Status LoadLinks();
  void Stop();

  absl::StatusOr<uint16_t> Listen();
  uint16_t port() const { return listener_ == nullptr ? 0 : listener_->port(); }
  wire::IntroNonce MakeNonce(Duration limit);
  absl::Status OnIntroduction(ByteView signed_object, ByteView signature, ByteView introducer_key,
                              absl::string_view username);
  absl::StatusOr<MessageId> Send(absl::string_view peer, absl::string_view text);
  void MarkShown(absl::string_view peer, MessageId id);
  void Wake(absl::string_view peer);
  void SetFound(absl::string_view peer, const net::IpAddress& ip);
  absl::Status HangUp(absl::string_view peer);
  absl::StatusOr<std::vector<OutgoingMessage>> Waiting(absl::string_view peer) const;
  absl::StatusOr<PeerIdentity> Identity(absl::string_view peer);
  std::string IdentityState(absl::string_view peer) const;
  absl::StatusOr<PathInfo> Path(absl::string_view peer) const;
  void ExpectProbe(ByteView challenge);
  KnownPeers& known() { return known_; }
  std::vector<std::string> Peers() const;
  bool IsOpen(absl::string_view peer) const;

 private:
  // LinkConnection::Owner.
  void OnEvents(LinkConnection& connection, std::vector<SessionEvent> events) override;
  void OnEnded(LinkConnection& connection, SessionEnd end, std::string detail) override;

  // Links (chat_manager.cc).
  Link* Find(const RequestId& id);
  Link* FindPeer(absl::string_view peer);
  const Link* FindPeer(absl::string_view peer) const;
  absl::StatusOr<Link*> AddLink(LinkRecord record);
  absl::Status ReplaceOlder(Link& newer);
  absl::Status CarryOver(const ChatHistory& from, Link& to);
  void DropLink(RequestId id);
  void RemoveLink(RequestId id);
  void EmitUnshown(const LinkRecord& record, const ChatJournal& journal);
  void LoadEnded(LinkRecord record);
  void KeepUnseen(LinkRecord record, std::unique_ptr<ChatJournal> journal);
  void NoteUnseenShown(absl::string_view peer, const MessageId& id);
  void RemoveFiles(const RequestId& id);
  void RememberEnded(const RequestId& id);
  std::string IdentityState(const Link& link) const;
  void SaveNonces();
  void ForgetNonce(const wire::IntroNonce& nonce);
  void ArmExpiry(Link& link);
  void OnExpiry(Link& link);
  absl::Status BeginHangUp(Link& link, absl::string_view reason);
  void FlushLater(Link& link);
  template <class F>
  void Emit(F call);

  // Connections (link_traffic.cc).
  void UpdateListener();
  std::vector<uint16_t> PortsToTry() const;
  LinkConnection::Setup SetupFor(const Link& link, bool dialler, std::string path) const;
  DialPlan PlanFor(const Link& link) const;
  void StartDialling(Link& link, Duration total);
  void RedialLater(Link& link, Duration pause);
  asio::awaitable<absl::Status> EstablishDialled(RequestId id, asio::ip::tcp::socket socket,
                                                 net::SocketAddress to);
  asio::awaitable<void> EstablishAccepted(std::shared_ptr<LinkConnection> connection,
                                          LinkListener::Ticket ticket);
  void OnKnock(asio::ip::tcp::socket socket, const RequestId& id, const net::SocketAddress& from,
               LinkListener::Ticket ticket);
  std::shared_ptr<LinkConnection> AddConnection(Link& link, asio::ip::tcp::socket socket,
                                                bool dialler, std::string path);
  void Adopt(const std::shared_ptr<LinkConnection>& connection);
  void OnProven(Link& link, LinkConnection& connection);
  void SelectNext(Link& link);
  void FilesClosed(const Link& link);
  void OnOpen(Link& link, LinkConnection& connection);
  void OnReceipts(Link& link, const std::vector<Receipt>& receipts);
  void OnHungUp(Link& link, LinkConnection& connection, const std::string& reason);

  asio::io_context& io_;
  const crypto::PublicKey device_key_;
  const config::Timing timing_;
  const Clock& clock_;
  Random& random_;
  const ChatOptions options_;
  ChatCallbacks callbacks_;
  const std::shared_ptr<const net::PeerTlsContext> tls_;
  DiskStorage storage_;
  LinkRecordStore store_;
  KnownPeers known_;
  KnockGuard guard_;
  ExpectedProbe probe_;
  asio::steady_timer probe_timer_{io_};
  NonceMemory nonces_;
  std::shared_ptr<LinkListener> listener_;
  absl::flat_hash_map<RequestId, std::unique_ptr<Link>> links_;
  // Of links that are over: received, and nobody has seen it. Bounded by kMaxUnseen; more stay on
  // the disk until the next start.
  struct Unseen {
    std::string peer;
    std::unique_ptr<ChatJournal> journal;
  };
  absl::flat_hash_map<RequestId, Unseen> unseen_;
  std::deque<RequestId> ended_;  // Introductions whose link is over; a repeat is only acknowledged.
  bool stopped_ = false;
};

// Callbacks run later, in the order of Emit, and not at all once the manager is gone.
template <class F>
void ChatManager::Impl::Emit(F call) {
  asio::post(io_, [weak = weak_from_this(), call = std::move(call)] {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) call(self->callbacks_);
  });
}

}  // namespace p2p::client
