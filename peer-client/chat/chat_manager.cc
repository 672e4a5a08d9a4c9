#include "peer-client/chat/chat_manager.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/net/file.h"
#include "peer-client/chat/chat_manager_impl.h"
#include "peer-client/chat/durable.h"
#include "peer-client/chat/safety_number.h"

namespace p2p::client {
namespace {

constexpr size_t kMaxEnded = 256;
constexpr size_t kMaxUnseen = 256;  // Each is an open file.
constexpr absl::string_view kTimeOver = "the time agreed on is over";

std::string NonceFile(const ChatOptions& options) {
  return absl::StrCat(options.state_dir, "/nonces");
}

std::string StateOf(const KnownPeer& known) {
  if (known.offered) return "changed";
  if (known.verified) return "verified";
  return known.namesake ? "new-person" : "unverified";
}

absl::Status KeyChanged(const std::string& name) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the key of ", name,
      " is not the one you know. A new device or a reinstalled client does that; "
      "so does somebody who stands between you. Compare the number of /verify ",
      name, " with ", name, " by another way; if it is the same, /trust ", name, " and ask again"));
}

absl::Status NoConversation(absl::string_view peer, absl::StatusCode code) {
  return absl::Status(
      code, absl::StrCat("there is no conversation with ", peer, "; ask for one with /request"));
}

}  // namespace

absl::string_view ReceiptStateName(ReceiptState state) {
  switch (state) {
    case ReceiptState::kQueued:
      return "queued";
    case ReceiptState::kDelivered:
      return "delivered";
    case ReceiptState::kRead:
      return "read";
  }
  return "";
}

ChatManager::Impl::Impl(asio::io_context& io, const crypto::PublicKey& device_key,
                        const config::Timing& timing, const Clock& clock, Random& random,
                        ChatOptions options, ChatCallbacks callbacks,
                        std::shared_ptr<const net::PeerTlsContext> tls, LinkRecordStore store,
                        KnownPeers known)
    : io_(io),
      device_key_(device_key),
      timing_(timing),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      tls_(std::move(tls)),
      store_(std::move(store)),
      known_(std::move(known)) {}

absl::Status ChatManager::Impl::LoadLinks() {
  const auto nonces = storage_.Read(NonceFile(options_));
  if (nonces.ok()) nonces_ = NonceMemory::Parse(AsBytes(*nonces), clock_.Wall());
  P2P_ASSIGN_OR_RETURN(LinkRecordStore::Loaded loaded, store_.Load());
  for (const auto& name : loaded.unreadable) LogWarning("link_record_unreadable", {{"file", name}});
  for (LinkRecord& record : loaded.records) {
    if (record.ended || record.approval_until <= clock_.Wall()) {
      LoadEnded(std::move(record));
      continue;
    }
    const std::string id = record.id.Hex();
    // Approved with the key it has, whatever came later; only who is unknown is pinned.
    if (known_.Find(record.peer.uid) == nullptr) {
      P2P_RETURN_IF_ERROR(known_.Meet(record.peer, record.me.uid).status());
    }
    const auto link = AddLink(std::move(record));
    if (!link.ok()) {
      LogWarning("link_not_loaded", {{"id", id}, {"error", link.status().message()}});
      continue;
    }
    (*link)->opened_before = true;
    EmitUnshown((*link)->record, *(*link)->journal);
    // They come in the order of their approvals. Two of one peer: the program died between them.
    const absl::Status replaced = ReplaceOlder(**link);
    if (!replaced.ok()) {
      LogWarning("link_not_loaded", {{"id", id}, {"error", replaced.message()}});
      DropLink((*link)->record.id);
    }
  }
  return absl::OkStatus();
}

void ChatManager::Impl::EmitUnshown(const LinkRecord& record, const ChatJournal& journal) {
  for (const IncomingMessage& message : journal.history().unshown) {
    const ChatReceived received{.peer = record.peer.name,
                                .id = message.id,
                                .text = message.text,
                                .sent_at = message.sent_at,
                                .replayed = true};
    Emit([received](const ChatCallbacks& c) { c.on_message(received); });
  }
}

void ChatManager::Impl::LoadEnded(LinkRecord record) {
  const std::string id = record.id.Hex();
  if (unseen_.size() >= kMaxUnseen) {
    return LogWarning("link_not_loaded", {{"id", id}, {"error", "too many unread ones"}});
  }
  auto journal = ChatJournal::Open(storage_, store_.JournalPath(record.id));
  if (!journal.ok()) {
    return LogWarning("link_not_loaded", {{"id", id}, {"error", journal.status().message()}});
  }
  RememberEnded(record.id);
  EmitUnshown(record, **journal);
  KeepUnseen(std::move(record), *std::move(journal));
}

// A link is over. What the peer was told that we have is kept until it has been shown.
void ChatManager::Impl::KeepUnseen(LinkRecord record, std::unique_ptr<ChatJournal> journal) {
  if (journal->history().unshown.empty()) return RemoveFiles(record.id);
  if (!std::exchange(record.ended, true)) {
    record.secret = {};
    const absl::Status noted = store_.Put(record);
    // It is dialled again after a restart, until the approval ends.
    if (!noted.ok()) LogWarning("link_record_not_written", {{"error", noted.message()}});
  }
  if (unseen_.size() >= kMaxUnseen) return;
  unseen_[record.id] = {.peer = record.peer.name, .journal = std::move(journal)};
}

void ChatManager::Impl::NoteUnseenShown(absl::string_view peer, const MessageId& id) {
  for (auto& [link, unseen] : unseen_) {
    if (!absl::EqualsIgnoreCase(unseen.peer, peer) || !NoteShown(*unseen.journal, id)) continue;
    const absl::Status written = unseen.journal->Flush();
    if (!written.ok()) LogWarning("chat_journal_failed", {{"error", written.message()}});
    if (!unseen.journal->history().unshown.empty()) return;
    const RequestId over = link;
    unseen_.erase(over);
    return RemoveFiles(over);
  }
}

void ChatManager::Impl::RemoveFiles(const RequestId& id) {
  const absl::Status removed = store_.Remove(id);
  // It ends by itself with the approval; a restart before that would dial once more.
  if (!removed.ok()) LogWarning("link_record_not_removed", {{"error", removed.message()}});
}

void ChatManager::Impl::Stop() {
  stopped_ = true;
  probe_timer_.cancel();
  for (const auto& [id, link] : links_) FilesClosed(*link);
  if (listener_ != nullptr) listener_->Stop();
  for (const auto& [id, link] : links_) link->Flush();
  links_.clear();
}

Link* ChatManager::Impl::Find(const RequestId& id) {
  const auto it = links_.find(id);
  return it == links_.end() ? nullptr : it->second.get();
}

const Link* ChatManager::Impl::FindPeer(absl::string_view peer) const {
  for (const auto& [id, link] : links_) {
    if (!link->record.hanging_up && absl::EqualsIgnoreCase(link->record.peer.name, peer)) {
      return link.get();
    }
  }
  return nullptr;
}

Link* ChatManager::Impl::FindPeer(absl::string_view peer) {
  return const_cast<Link*>(std::as_const(*this).FindPeer(peer));
}

absl::StatusOr<Link*> ChatManager::Impl::AddLink(LinkRecord record) {
  const RequestId id = record.id;
  P2P_ASSIGN_OR_RETURN(auto journal, ChatJournal::Open(storage_, store_.JournalPath(id)));
  auto link = std::make_unique<Link>(io_, std::move(record), std::move(journal), clock_.Mono());
  if (!guard_.Add(id, link->record.secret, link->role())) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there are ", wire::kMaxLiveLinks, " conversations already; hang up one of them"));
  }
  ArmExpiry(*link);
  Link* added = link.get();
  links_[id] = std::move(link);
  if (options_.files != nullptr) (void)options_.files->Lane(added->file_peer());
  UpdateListener();
  return added;
}

// From memory; the files stay.
void ChatManager::Impl::DropLink(RequestId id) {
  guard_.Remove(id);
  links_.erase(id);
  UpdateListener();
}

void ChatManager::Impl::RemoveLink(RequestId id) {
  Link* link = Find(id);
  P2P_CHECK(link != nullptr);
  FilesClosed(*link);
  LinkRecord record = std::move(link->record);
  std::unique_ptr<ChatJournal> journal = std::move(link->journal);
  DropLink(id);
  RememberEnded(id);
  KeepUnseen(std::move(record), std::move(journal));
}

void ChatManager::Impl::RememberEnded(const RequestId& id) {
  ended_.push_back(id);
  if (ended_.size() > kMaxEnded) ended_.pop_front();
}

void ChatManager::Impl::ArmExpiry(Link& link) {
  const LinkRecord& record = link.record;
  const bool limited = record.talk_until && !record.hanging_up;
  link.expiry.expires_after((limited ? *record.talk_until : record.approval_until) - clock_.Wall());
  link.expiry.async_wait([weak = weak_from_this(), id = record.id](const asio::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->stopped_) return;
    if (Link* ended = self->Find(id); ended != nullptr) self->OnExpiry(*ended);
  });
}

void ChatManager::Impl::OnExpiry(Link& link) {
  if (link.record.approval_until > clock_.Wall()) {
    // The time that the user gave: the peer is told, now or when it is next connected.
    const absl::Status noted = BeginHangUp(link, kTimeOver);
    if (!noted.ok()) LogWarning("link_record_not_written", {{"error", noted.message()}});
    return ArmExpiry(link);
  }
  const ChatClosed closed{
      .peer = link.record.peer.name, .reason = "the approval has ended", .for_good = true};
  const bool told = link.record.hanging_up;
  RemoveLink(link.record.id);
  if (!told) Emit([closed](const ChatCallbacks& c) { c.on_closed(closed); });
}

wire::IntroNonce ChatManager::Impl::MakeNonce(Duration limit) {
  const auto nonce = random_.Array<wire::kNonceSize>();
  nonces_.Add(nonce, clock_.Wall(), limit);
  SaveNonces();
  return nonce;
}

// Without the file the request still works; only a restart before its introduction ends it.
void ChatManager::Impl::SaveNonces() {
  const absl::Status saved = storage_.Replace(NonceFile(options_), AsText(nonces_.Serialize()));
  if (!saved.ok()) LogWarning("nonces_not_saved", {{"error", saved.message()}});
}

void ChatManager::Impl::ForgetNonce(const wire::IntroNonce& nonce) {
  nonces_.Remove(nonce);
  SaveNonces();
}

absl::Status ChatManager::Impl::OnIntroduction(ByteView signed_object, ByteView signature,
                                               ByteView introducer_key,
                                               absl::string_view username) {
  const auto approval = std::chrono::duration_cast<WallTime::duration>(timing_.approval);
  const WallTime until = clock_.Wall() + approval;
  P2P_ASSIGN_OR_RETURN(const CheckedIntroduction checked,
                       CheckIntroduction({.signed_object = signed_object,
                                          .signature = signature,
                                          .introducer_key = introducer_key,
                                          .device_key = device_key_,
                                          .username = username,
                                          .approval_until = until}));
  const RequestId id = checked.introduction.id;
  if (links_.contains(id) || std::ranges::find(ended_, id) != ended_.end()) {
    return absl::OkStatus();
  }
  P2P_ASSIGN_OR_RETURN(LinkRecord record, MakeLinkRecord(checked, nonces_, until));
  const wire::IntroNonce nonce = checked.role == LinkRole::kRequester
                                     ? checked.introduction.requester.nonce
                                     : checked.introduction.target.nonce;
  if (const auto limit = nonces_.Limit(nonce); limit && *limit > Duration::zero()) {
    const auto talk = std::chrono::duration_cast<WallTime::duration>(*limit);
    if (clock_.Wall() + talk < until) record.talk_until = clock_.Wall() + talk;
  }
  P2P_ASSIGN_OR_RETURN(const auto verdict, known_.Meet(record.peer, record.me.uid));
  if (verdict == KnownPeers::Verdict::kChanged) {
    ForgetNonce(nonce);
    RememberEnded(id);
    return KeyChanged(record.peer.name);
  }
  P2P_RETURN_IF_ERROR(store_.Put(record));
  const auto link = AddLink(std::move(record));
  if (!link.ok()) {
    store_.Remove(id).IgnoreError();
    return link.status();
  }
  const absl::Status replaced = ReplaceOlder(**link);
  if (!replaced.ok()) {
    // The older one goes on; the server sends the introduction again.
    DropLink(id);
    store_.Remove(id).IgnoreError();
    return replaced;
  }
  ForgetNonce(nonce);
  StartDialling(**link, timing_.dial_total);
  return absl::OkStatus();
}

// One conversation per peer: a new approval takes the place of an older one, with what waits there.
absl::Status ChatManager::Impl::ReplaceOlder(Link& newer) {
  std::vector<RequestId> older;
  for (const auto& [id, link] : links_) {
    const bool same_peer = link->record.peer.uid == newer.record.peer.uid ||
                           absl::EqualsIgnoreCase(link->record.peer.name, newer.record.peer.name);
    if (link.get() != &newer && same_peer) older.push_back(id);
  }
  for (const RequestId& id : older) {
    const Link& from = *Find(id);
    const bool same_person = from.record.peer.device_key == newer.record.peer.device_key &&
                             from.record.peer.uid == newer.record.peer.uid;
    if (same_person) P2P_RETURN_IF_ERROR(CarryOver(from.journal->history(), newer));
  }
  for (const RequestId& id : older) RemoveLink(id);
  return absl::OkStatus();
}

// What waits is said on the new link, and what the peer says once more there is known. After a
// crash in the middle it is done again.
absl::Status ChatManager::Impl::CarryOver(const ChatHistory& from, Link& to) {
  P2P_RETURN_IF_ERROR(to.journal->AppendReceived(from.received.ids()));
  for (const OutgoingMessage& waiting : from.undelivered) {
    if (to.journal->history().Said(waiting.id)) continue;
    OutgoingMessage moved = to.conversation.Compose(waiting.id, waiting.text, waiting.sent_at);
    P2P_RETURN_IF_ERROR(to.journal->AppendOutgoing(moved));
    to.conversation.Queue(std::move(moved));
  }
  return to.journal->Sync();
}

absl::StatusOr<MessageId> ChatManager::Impl::Send(absl::string_view peer, absl::string_view text) {
  Link* link = FindPeer(peer);
  if (link == nullptr) return NoConversation(peer, absl::StatusCode::kFailedPrecondition);
  P2P_ASSIGN_OR_RETURN(const MessageId id,
                       SendDurably(*link->journal, link->conversation, random_.NewId<MessageId>(),
                                   text, clock_.Wall()));
  const ChatReceipt queued{
      .peer = link->record.peer.name, .id = id, .state = ReceiptState::kQueued};
  Emit([queued](const ChatCallbacks& c) { c.on_receipt(queued); });
  if (link->open != nullptr) {
    link->open->Wake();
  } else if (link->connections() == 0) {
    StartDialling(*link, timing_.dial_total);
  }
  return id;
}

void ChatManager::Impl::MarkShown(absl::string_view peer, MessageId id) {
  for (const auto& [link_id, link] : links_) {
    if (!absl::EqualsIgnoreCase(link->record.peer.name, peer)) continue;
    const auto seq = NoteShown(*link->journal, id);
    if (!seq) continue;
    FlushLater(*link);
    if (!options_.send_read_receipts || link->open == nullptr) return;
    link->open->session().MarkRead(*seq);
    return link->open->Wake();
  }
  NoteUnseenShown(peer, id);
}

// Once all that has happened by now is noted: an answer to a message takes its notes along.
void ChatManager::Impl::FlushLater(Link& link) {
  if (!link.journal->deferred() || std::exchange(link.flush_posted, true)) return;
  asio::post(io_, [weak = weak_from_this(), id = link.record.id] {
    const auto self = weak.lock();
    Link* noted = self == nullptr ? nullptr : self->Find(id);
    if (noted == nullptr) return;
    noted->flush_posted = false;
    noted->Flush();
  });
}

void ChatManager::Impl::Wake(absl::string_view peer) {
  Link* link = FindPeer(peer);
  if (link != nullptr && link->open != nullptr) link->open->Wake();
}

absl::Status ChatManager::Impl::HangUp(absl::string_view peer) {
  Link* link = FindPeer(peer);
  if (link == nullptr) return NoConversation(peer, absl::StatusCode::kNotFound);
  return BeginHangUp(*link, "");
}

absl::Status ChatManager::Impl::BeginHangUp(Link& link, absl::string_view reason) {
  link.record.hanging_up = true;
  // When it cannot be written the peer is told all the same: what it forgets does not come back.
  const absl::Status noted = store_.Put(link.record);
  const ChatClosed closed{.peer = link.record.peer.name,
                          .reason = reason.empty() ? "you hung up" : std::string(reason),
                          .for_good = true};
  Emit([closed](const ChatCallbacks& c) { c.on_closed(closed); });
  if (link.open == nullptr) return noted;
  link.open->session().HangUp(std::string(reason), clock_.Mono());
  link.open->Wake();
  return noted;
}

absl::StatusOr<std::vector<OutgoingMessage>> ChatManager::Impl::Waiting(
    absl::string_view peer) const {
  const Link* link = FindPeer(peer);
  if (link == nullptr) return NoConversation(peer, absl::StatusCode::kNotFound);
  return link->journal->history().undelivered;
}

absl::StatusOr<PeerIdentity> ChatManager::Impl::Identity(absl::string_view peer) {
  P2P_RETURN_IF_ERROR(known_.NoteCompared(peer));
  const KnownPeer* known = known_.Find(peer);
  P2P_CHECK(known != nullptr);
  return PeerIdentity{
      .peer = known->name,
      .state = StateOf(*known),
      .safety_number = SafetyNumber({known->my_uid, device_key_},
                                    {known->uid, known->offered.value_or(known->key)})};
}

std::string ChatManager::Impl::IdentityState(absl::string_view peer) const {
  const KnownPeer* known = known_.Find(peer);
  return known == nullptr ? "" : StateOf(*known);
}

std::string ChatManager::Impl::IdentityState(const Link& link) const {
  const KnownPeer* known = known_.Find(link.record.peer.uid);
  // A link goes on with the key it was approved with.
  if (known == nullptr || known->key != link.record.peer.device_key) return "unverified";
  KnownPeer as_approved = *known;
  as_approved.offered.reset();
  return StateOf(as_approved);
}

absl::StatusOr<PathInfo> ChatManager::Impl::Path(absl::string_view peer) const {
  const Link* link = FindPeer(peer);
  if (link == nullptr) return NoConversation(peer, absl::StatusCode::kNotFound);
  PathInfo out;
  out.peer = link->record.peer.name;
  out.chat_port = port();
  out.tried = link->Tried();
  if (link->open != nullptr) {
    out.open = true;
    out.path = link->open->path();
    out.rtt = link->open->session().rtt();
  }
  return out;
}

std::vector<std::string> ChatManager::Impl::Peers() const {
  std::vector<std::string> out;
  for (const auto& [id, link] : links_) {
    if (!link->record.hanging_up) out.push_back(link->record.peer.name);
  }
  std::ranges::sort(out);
  return out;
}

bool ChatManager::Impl::IsOpen(absl::string_view peer) const {
  const Link* link = FindPeer(peer);
  return link != nullptr && link->open != nullptr;
}

absl::StatusOr<std::unique_ptr<ChatManager>> ChatManager::Create(
    asio::io_context& io, const crypto::SigningKey& device_key, const config::Timing& timing,
    const Clock& clock, Random& random, ChatOptions options, ChatCallbacks callbacks) {
  P2P_CHECK(callbacks.on_open && callbacks.on_message && callbacks.on_receipt &&
            callbacks.on_closed && callbacks.on_dial_failed);
  google::protobuf::SetLogHandler(nullptr);  // It would log what strangers send.
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(options.state_dir));
  P2P_ASSIGN_OR_RETURN(auto tls, net::PeerTlsContext::Create(device_key, wire::kPeerAlpn));
  static DiskStorage disk;  // Stateless.
  P2P_ASSIGN_OR_RETURN(LinkRecordStore store,
                       LinkRecordStore::Open(disk, absl::StrCat(options.state_dir, "/links")));
  P2P_ASSIGN_OR_RETURN(KnownPeers known,
                       KnownPeers::Open(disk, absl::StrCat(options.state_dir, "/known_peers")));
  const auto impl = std::make_shared<Impl>(io, device_key.public_key(), timing, clock, random,
                                           std::move(options), std::move(callbacks), std::move(tls),
                                           std::move(store), std::move(known));
  P2P_RETURN_IF_ERROR(impl->LoadLinks());
  return std::unique_ptr<ChatManager>(new ChatManager(impl));
}

ChatManager::ChatManager(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatManager::~ChatManager() { impl_->Stop(); }

absl::StatusOr<uint16_t> ChatManager::Listen() { return impl_->Listen(); }
uint16_t ChatManager::ChatPort() const { return impl_->port(); }
wire::IntroNonce ChatManager::MakeNonce(Duration limit) { return impl_->MakeNonce(limit); }
absl::StatusOr<std::vector<OutgoingMessage>> ChatManager::Waiting(absl::string_view peer) const {
  return impl_->Waiting(peer);
}
absl::Status ChatManager::OnIntroduction(ByteView signed_object, ByteView signature,
                                         ByteView introducer_public_key,
                                         absl::string_view my_username) {
  return impl_->OnIntroduction(signed_object, signature, introducer_public_key, my_username);
}
absl::StatusOr<MessageId> ChatManager::Send(absl::string_view peer, absl::string_view text) {
  return impl_->Send(peer, text);
}
void ChatManager::MarkShown(absl::string_view peer, MessageId id) { impl_->MarkShown(peer, id); }
void ChatManager::SetFound(absl::string_view peer, const net::IpAddress& ip) {
  impl_->SetFound(peer, ip);
}
void ChatManager::ExpectProbe(ByteView challenge) { impl_->ExpectProbe(challenge); }
void ChatManager::Wake(absl::string_view peer) { impl_->Wake(peer); }
absl::Status ChatManager::HangUp(absl::string_view peer) { return impl_->HangUp(peer); }
absl::StatusOr<PeerIdentity> ChatManager::Identity(absl::string_view peer) {
  return impl_->Identity(peer);
}
std::string ChatManager::IdentityState(absl::string_view peer) const {
  return impl_->IdentityState(peer);
}
absl::Status ChatManager::MarkVerified(absl::string_view peer) {
  return impl_->known().MarkVerified(peer);
}
absl::Status ChatManager::Trust(absl::string_view peer) { return impl_->known().Trust(peer); }
absl::StatusOr<PathInfo> ChatManager::Path(absl::string_view peer) const {
  return impl_->Path(peer);
}
std::vector<std::string> ChatManager::Peers() const { return impl_->Peers(); }
bool ChatManager::IsOpen(absl::string_view peer) const { return impl_->IsOpen(peer); }

}  // namespace p2p::client
