#include "peer-client/transfer/transfer_desk.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "peer-client/chat/rate.h"
#include "peer-client/transfer/file_name.h"

namespace p2p::client {
namespace {

constexpr size_t kMinIdPrefix = 4;

const std::string* FileIdOf(const v1::ChatFrame& frame) {
  switch (frame.frame_case()) {
    case v1::ChatFrame::kFileOffer:
      return &frame.file_offer().file_id();
    case v1::ChatFrame::kFileAccept:
      return &frame.file_accept().file_id();
    case v1::ChatFrame::kFileChunk:
      return &frame.file_chunk().file_id();
    case v1::ChatFrame::kFileAck:
      return &frame.file_ack().file_id();
    case v1::ChatFrame::kFileDone:
      return &frame.file_done().file_id();
    case v1::ChatFrame::kFileCancel:
      return &frame.file_cancel().file_id();
    default:
      return nullptr;
  }
}

out::FileOffer OfferOf(const TransferRecord& record, bool replayed) {
  return {record.peer, record.id.Hex(),          record.name,
          record.size, HexEncode(record.sha256), replayed};
}

}  // namespace

// The files of one peer, in turn.
class TransferDesk::PeerLane final : public FileLane {
 public:
  PeerLane(TransferDesk& desk, FilePeer peer)
      : desk_(desk),
        peer_(std::move(peer)),
        offers_in_(1, kOfferBurst, desk.clock_.Mono()),
        offers_out_(1, kMostOpen, desk.clock_.Mono()) {}

  bool OnFrame(const v1::ChatFrame& frame) override {
    const std::string* bytes = FileIdOf(frame);
    const auto id = bytes == nullptr ? std::nullopt : FileId::FromBytes(AsBytes(*bytes));
    if (!id) return false;
    Transfer* known = desk_.Find(*id);
    if (known != nullptr && Mine(*known)) return known->OnFrame(frame);
    // Somebody else's id says nothing: it is as good as unknown, but cannot be given again.
    if (known == nullptr && frame.has_file_offer()) return OnNewOffer(*id, frame.file_offer());
    if (!frame.has_file_cancel()) Refuse(*id, "unknown here");
    return true;
  }

  bool NextFrame(v1::ChatFrame& frame) override {
    if (!refusals_.empty()) {
      frame = std::move(refusals_.front());
      refusals_.pop_front();
      return true;
    }
    for (const auto& [order, transfer] : desk_.transfers_) {
      if (Mine(*transfer) && transfer->NextControl(frame)) return true;
    }
    // Content of several files in turn.
    auto& all = desk_.transfers_;
    auto at = all.upper_bound(last_);
    for (size_t i = 0; i < all.size(); ++i, ++at) {
      if (at == all.end()) at = all.begin();
      if (!Mine(*at->second) || !at->second->NextChunk(frame)) continue;
      last_ = at->first;
      return true;
    }
    return false;
  }
  void Open() { open_ = true; }
  void Close() {
    open_ = false;
    refusals_.clear();
  }
  bool open() const { return open_; }
  // One more offer of ours; false: too soon.
  bool MayOffer() { return Take(offers_out_); }
  const FilePeer& peer() const { return peer_; }
  bool Mine(const Transfer& transfer) const {
    return transfer.record().peer_uid == peer_.uid &&
           transfer.record().peer_key == peer_.device_key;
  }
  // Why a transfer with whoever had this name before cannot go on.
  std::string Estranged(const TransferRecord& record) const {
    return record.peer_uid == peer_.uid
               ? absl::StrCat("the device key of ", record.peer, " has changed since")
               : absl::StrCat("a new person has the name ", record.peer, " now");
  }
  // Not over.
  size_t OpenOnes(bool incoming) const {
    return static_cast<size_t>(
        std::count_if(desk_.transfers_.begin(), desk_.transfers_.end(), [&](const auto& entry) {
          const TransferRecord& r = entry.second->record();
          return !r.over() && r.incoming == incoming && Mine(*entry.second);
        }));
  }

 private:
  static constexpr size_t kMostRefusals = 64;

  bool Take(RateLimit& rate) {
    const MonoTime now = desk_.clock_.Mono();
    if (rate.AllowedAt() > now) return false;
    rate.Charge(now);
    return true;
  }
  bool OnNewOffer(const FileId& id, const v1::FileOffer& offer) {
    TransferRecord record{.id = id,
                          .peer = peer_.name,
                          .peer_uid = peer_.uid,
                          .peer_key = peer_.device_key,
                          .incoming = true,
                          .name = {},
                          .path = {},
                          .size = offer.size(),
                          .state = TransferState::kOffered,
                          .reason = {},
                          .told = {},
                          .order = desk_.next_order_};
    if (offer.name().size() > wire::kMaxFileName || offer.sha256().size() != record.sha256.size()) {
      return false;
    }
    const auto name = SafeFileName(offer.name());
    if (!name) return Refuse(id, "a file cannot have that name here"), true;
    if (OpenOnes(true) >= kMostOpen) {
      desk_.counters_.Add(FileCount::kOfferOverBound);
      return Refuse(id, "too many offers wait already"), true;
    }
    if (!Take(offers_in_)) {
      desk_.counters_.Add(FileCount::kOfferOverRate);
      return Refuse(id, "too many offers in a short time; offer it again later"), true;
    }
    desk_.Forget();
    record.name = *name;
    const ByteView digest = AsBytes(offer.sha256());
    std::copy(digest.begin(), digest.end(), record.sha256.begin());
    if (!desk_.store_.Put(record).ok()) return Refuse(id, "the disk does not take it"), true;
    desk_.hooks_.show(OfferOf(record, false));
    desk_.Add(std::move(record));
    if (open_) desk_.Find(id)->OnOpen();
    return true;
  }
  void Refuse(const FileId& id, absl::string_view reason) {
    if (refusals_.size() >= kMostRefusals) {  // Who floods may wait.
      desk_.counters_.Add(FileCount::kRefusalDropped);
      return;
    }
    v1::ChatFrame frame;
    frame.mutable_file_cancel()->set_file_id(ToString(id.view()));
    frame.mutable_file_cancel()->set_reason(std::string(reason));
    refusals_.push_back(std::move(frame));
    desk_.hooks_.wake(peer_.name);
  }

  TransferDesk& desk_;
  const FilePeer peer_;
  RateLimit offers_in_;
  RateLimit offers_out_;
  bool open_ = false;
  uint64_t last_ = 0;  // Whose content went last.
  std::deque<v1::ChatFrame> refusals_;
};

absl::StatusOr<std::unique_ptr<TransferDesk>> TransferDesk::Create(
    asio::io_context& io, const Clock& clock, Random& random, const std::string& state_dir,
    std::string folder, Hooks hooks) {
  P2P_ASSIGN_OR_RETURN(TransferStore store, TransferStore::Open(state_dir));
  auto desk = absl::WrapUnique(
      new TransferDesk(io, clock, random, std::move(store), std::move(folder), std::move(hooks)));
  for (TransferRecord& record : desk->store_.Load()) {
    if (!record.over() && record.peer_uid.is_zero()) desk->RefuseNobodys(record);
    desk->Add(std::move(record));
  }
  desk->Forget();
  return desk;
}

TransferDesk::TransferDesk(asio::io_context& io, const Clock& clock, Random& random,
                           TransferStore store, std::string folder, Hooks hooks)
    : io_(io),
      clock_(clock),
      random_(random),
      store_(std::move(store)),
      folder_(std::move(folder)),
      hooks_(std::move(hooks)),
      context_{io_, clock_, store_, folder_, hooks_.show, hooks_.wake} {}

TransferDesk::~TransferDesk() = default;

// Whoever has the name now may not be whom the user meant.
void TransferDesk::RefuseNobodys(TransferRecord& record) {
  record.state = TransferState::kFailed;
  record.reason =
      "it was begun by an older version, which did not note whose it is; offer it again";
  if (record.incoming) Download::Remove(folder_, record.id.Hex());
  (void)store_.Put(record);  // Otherwise the next start refuses it again.
  nobodys_.push_back(record.id);
}

void TransferDesk::ShowWaiting() {
  for (const FileId& id : std::exchange(nobodys_, {})) {
    if (const Transfer* refused = Find(id); refused != nullptr) hooks_.show(refused->Describe());
  }
  for (const auto& [order, transfer] : transfers_) {
    const TransferRecord& record = transfer->record();
    if (record.incoming && record.state == TransferState::kOffered) {
      hooks_.show(OfferOf(record, true));
    }
  }
}

void TransferDesk::Add(TransferRecord record) {
  const uint64_t order = record.order;
  next_order_ = std::max(next_order_, order + 1);
  transfers_[order] = Transfer::Make(context_, std::move(record));
}

// The oldest of what is over.
void TransferDesk::Forget() {
  size_t over = 0;
  for (const auto& [order, transfer] : transfers_) over += transfer->record().over() ? 1 : 0;
  for (auto it = transfers_.begin(); over > TransferStore::kMostOver && it != transfers_.end();) {
    if (!it->second->record().over()) {
      ++it;
      continue;
    }
    store_.Remove(it->second->record().id);
    it = transfers_.erase(it);
    --over;
  }
}

Transfer* TransferDesk::Find(const FileId& id) {
  for (const auto& [order, transfer] : transfers_) {
    if (transfer->record().id == id) return transfer.get();
  }
  return nullptr;
}

absl::StatusOr<std::string> TransferDesk::Offer(const std::string& peer, const std::string& path) {
  P2P_ASSIGN_OR_RETURN(const auto source, SourceFile::Open(path));
  const auto name = SafeFileName(path);
  if (!name) return absl::InvalidArgumentError(absl::StrCat(path, " names no file"));
  const auto named = named_.find(absl::AsciiStrToLower(peer));
  if (named == named_.end()) return absl::FailedPreconditionError("no conversation");
  PeerLane& lane = *named->second;
  if (lane.OpenOnes(false) >= kMostOpen) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMostOpen, " files for this peer wait already"));
  }
  if (!lane.MayOffer()) {
    return absl::ResourceExhaustedError(
        "many files were offered just now; one a second may follow");
  }
  Forget();
  TransferRecord record{.id = random_.NewId<FileId>(),
                        .peer = lane.peer().name,
                        .peer_uid = lane.peer().uid,
                        .peer_key = lane.peer().device_key,
                        .incoming = false,
                        .name = *name,
                        .path = path,
                        .size = source->size(),
                        .modified_ns = source->modified_ns(),
                        .state = TransferState::kHashing,
                        .reason = {},
                        .told = {},
                        .order = next_order_};
  P2P_RETURN_IF_ERROR(store_.Put(record));
  const FileId id = record.id;
  Add(std::move(record));
  Transfer* added = Find(id);
  hooks_.show(added->Describe());
  if (lane.open()) added->OnOpen();
  return id.Hex();
}

absl::StatusOr<Transfer*> TransferDesk::Resolve(const std::string& text, bool to_accept) {
  std::vector<Transfer*> hits;
  for (const auto& [order, transfer] : transfers_) {
    const TransferRecord& record = transfer->record();
    const bool fits =
        to_accept ? record.incoming && record.state == TransferState::kOffered : !record.over();
    const std::string id = record.id.Hex();
    if (id == text) return transfer.get();
    const bool meant = text.empty() || absl::EqualsIgnoreCase(record.peer, text) ||
                       (text.size() >= kMinIdPrefix && absl::StartsWith(id, text));
    if (fits && meant) hits.push_back(transfer.get());
  }
  if (hits.size() == 1) return hits.front();
  if (hits.empty()) return absl::NotFoundError("there is no such file; /files shows them");
  return absl::FailedPreconditionError("several files fit; give the whole id, /files shows them");
}

absl::Status TransferDesk::Accept(const std::string& id) {
  P2P_ASSIGN_OR_RETURN(Transfer * transfer, Resolve(id, true));
  return transfer->Accept();
}

absl::Status TransferDesk::Cancel(const std::string& id) {
  P2P_ASSIGN_OR_RETURN(Transfer * transfer, Resolve(id, false));
  if (transfer->record().over()) return absl::FailedPreconditionError("it is over already");
  transfer->Cancel();
  return absl::OkStatus();
}

absl::Status TransferDesk::Pause(const std::string& id, bool on) {
  P2P_ASSIGN_OR_RETURN(Transfer * transfer, Resolve(id, false));
  if (transfer->record().state != TransferState::kAccepted) {
    return absl::FailedPreconditionError("it is not on its way");
  }
  transfer->Pause(on);
  return absl::OkStatus();
}

out::Transfers TransferDesk::List() const {
  out::Transfers out;
  for (const auto& [order, transfer] : transfers_) out.entries.push_back(transfer->Describe());
  return out;
}

TransferDesk::PeerLane& TransferDesk::LaneOf(const FilePeer& peer) {
  auto& lane = lanes_[absl::StrCat(peer.uid.Hex(), HexEncode(peer.device_key))];
  if (lane == nullptr) lane = std::make_unique<PeerLane>(*this, peer);
  return *lane;
}

FileLane* TransferDesk::Lane(const FilePeer& peer) {
  PeerLane& lane = LaneOf(peer);
  named_[absl::AsciiStrToLower(peer.name)] = &lane;
  return &lane;
}

void TransferDesk::OnOpen(const FilePeer& peer) {
  PeerLane& lane = LaneOf(peer);
  lane.Open();
  for (const auto& [order, transfer] : transfers_) {
    if (lane.Mine(*transfer)) {
      transfer->OnOpen();
    } else if (absl::EqualsIgnoreCase(transfer->record().peer, peer.name)) {
      transfer->Abandon(lane.Estranged(transfer->record()));
    }
  }
}

void TransferDesk::OnClosed(const FilePeer& peer) {
  PeerLane& lane = LaneOf(peer);
  if (!lane.open()) return;
  lane.Close();
  for (const auto& [order, transfer] : transfers_) {
    if (!lane.Mine(*transfer)) continue;
    transfer->OnClosed();
    if (transfer->record().state == TransferState::kAccepted) hooks_.show(transfer->Describe());
  }
}

}  // namespace p2p::client
