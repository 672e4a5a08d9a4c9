#include "peer-client/transfer/transfer_desk.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
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
  PeerLane(TransferDesk& desk, std::string peer) : desk_(desk), peer_(std::move(peer)) {}

  bool OnFrame(const v1::ChatFrame& frame) override {
    const std::string* bytes = FileIdOf(frame);
    const auto id = bytes == nullptr ? std::nullopt : FileId::FromBytes(AsBytes(*bytes));
    if (!id) return false;
    Transfer* known = desk_.Find(*id);
    // Somebody else's id says nothing: it is as good as unknown.
    if (known != nullptr && !absl::EqualsIgnoreCase(known->record().peer, peer_)) known = nullptr;
    if (known != nullptr) return known->OnFrame(frame);
    if (frame.has_file_offer()) return OnNewOffer(*id, frame.file_offer());
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
  void Close() { refusals_.clear(); }
  bool Mine(const Transfer& transfer) const {
    return absl::EqualsIgnoreCase(transfer.record().peer, peer_);
  }

 private:
  static constexpr size_t kMostRefusals = 64;

  bool OnNewOffer(const FileId& id, const v1::FileOffer& offer) {
    TransferRecord record{.id = id,
                          .peer = peer_,
                          .incoming = true,
                          .name = {},
                          .path = {},
                          .size = offer.size(),
                          .state = TransferState::kOffered,
                          .reason = {},
                          .order = desk_.next_order_};
    if (offer.name().size() > wire::kMaxFileName || offer.sha256().size() != record.sha256.size()) {
      return false;
    }
    const auto name = SafeFileName(offer.name());
    if (!name) return Refuse(id, "a file cannot have that name here"), true;
    if (desk_.OpenOnes(peer_, true) >= kMostOpen) {
      return Refuse(id, "too many offers wait already"), true;
    }
    record.name = *name;
    const ByteView digest = AsBytes(offer.sha256());
    std::copy(digest.begin(), digest.end(), record.sha256.begin());
    if (!desk_.store_.Put(record).ok()) return Refuse(id, "the disk does not take it"), true;
    desk_.hooks_.show(OfferOf(record, false));
    desk_.Add(std::move(record));
    desk_.Find(id)->OnOpen();
    return true;
  }
  void Refuse(const FileId& id, absl::string_view reason) {
    if (refusals_.size() >= kMostRefusals) return;  // Who floods may wait.
    v1::ChatFrame frame;
    frame.mutable_file_cancel()->set_file_id(ToString(id.view()));
    frame.mutable_file_cancel()->set_reason(std::string(reason));
    refusals_.push_back(std::move(frame));
    desk_.hooks_.wake(peer_);
  }

  TransferDesk& desk_;
  const std::string peer_;
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
    desk->next_order_ = std::max(desk->next_order_, record.order + 1);
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

void TransferDesk::ShowWaiting() {
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

size_t TransferDesk::OpenOnes(const std::string& peer, bool incoming) const {
  return static_cast<size_t>(
      std::count_if(transfers_.begin(), transfers_.end(), [&](const auto& entry) {
        const TransferRecord& r = entry.second->record();
        return !r.over() && r.incoming == incoming && absl::EqualsIgnoreCase(r.peer, peer);
      }));
}

absl::StatusOr<std::string> TransferDesk::Offer(const std::string& peer, const std::string& path) {
  P2P_ASSIGN_OR_RETURN(const auto source, SourceFile::Open(path));
  const auto name = SafeFileName(path);
  if (!name) return absl::InvalidArgumentError(absl::StrCat(path, " names no file"));
  if (OpenOnes(peer, false) >= kMostOpen) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMostOpen, " files for this peer wait already"));
  }
  Forget();
  TransferRecord record{.id = random_.NewId<FileId>(),
                        .peer = peer,
                        .incoming = false,
                        .name = *name,
                        .path = path,
                        .size = source->size(),
                        .modified_ns = source->modified_ns(),
                        .state = TransferState::kHashing,
                        .reason = {},
                        .order = next_order_};
  P2P_RETURN_IF_ERROR(store_.Put(record));
  const FileId id = record.id;
  Add(std::move(record));
  Transfer* added = Find(id);
  auto lane = lanes_.find(absl::AsciiStrToLower(peer));
  hooks_.show(added->Describe());
  if (lane != lanes_.end() && open_.contains(lane->first)) added->OnOpen();
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

FileLane* TransferDesk::Lane(const std::string& peer) {
  auto& lane = lanes_[absl::AsciiStrToLower(peer)];
  if (lane == nullptr) lane = std::make_unique<PeerLane>(*this, peer);
  return lane.get();
}

void TransferDesk::OnOpen(const std::string& peer) {
  (void)Lane(peer);
  open_.insert(absl::AsciiStrToLower(peer));
  for (const auto& [order, transfer] : transfers_) {
    if (absl::EqualsIgnoreCase(transfer->record().peer, peer)) transfer->OnOpen();
  }
}

void TransferDesk::OnClosed(const std::string& peer) {
  if (open_.erase(absl::AsciiStrToLower(peer)) == 0) return;
  lanes_[absl::AsciiStrToLower(peer)]->Close();
  for (const auto& [order, transfer] : transfers_) {
    if (!absl::EqualsIgnoreCase(transfer->record().peer, peer)) continue;
    transfer->OnClosed();
    if (transfer->record().state == TransferState::kAccepted) hooks_.show(transfer->Describe());
  }
}

}  // namespace p2p::client
