// The receiving side of a transfer.
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "peer-client/transfer/transfer.h"

namespace p2p::client {
namespace {

// Acknowledged after so many bytes, and at the end.
constexpr uint64_t kAckEvery = 4 * wire::kFileChunkSize;

class Incoming final : public Transfer {
 public:
  Incoming(const TransferContext& context, TransferRecord record)
      : Transfer(context, std::move(record)) {}

  void OnOpen() override {
    open_ = true;
    // Asked for at once: a sender for whom it is over meanwhile offers nothing, but answers.
    if (record_.state == TransferState::kAccepted) Continue();
  }
  void OnClosed() override {
    open_ = running_ = false;
    control_.clear();
    hashing_.reset();
    download_.reset();  // What is there stays.
  }
  bool OnFrame(const v1::ChatFrame& frame) override {
    switch (frame.frame_case()) {
      case v1::ChatFrame::kFileOffer:
        return OnOffer(frame.file_offer());
      case v1::ChatFrame::kFileChunk:
        return OnChunk(frame.file_chunk());
      case v1::ChatFrame::kFileCancel:
        return OnCancel(frame.file_cancel());
      default:
        return false;  // Ours to say.
    }
  }
  absl::Status Accept() override {
    if (record_.state == TransferState::kAccepted) return absl::OkStatus();
    if (record_.over()) {
      return absl::FailedPreconditionError(absl::StrCat("the offer of ", record_.name, " is over"));
    }
    P2P_RETURN_IF_ERROR(OpenDownload());
    Become(TransferState::kAccepted);
    if (open()) {
      Resume();
    } else {
      download_.reset();
    }
    return absl::OkStatus();
  }

 private:
  uint64_t at() const override { return download_ != nullptr ? download_->written() : last_at_; }
  void LetGo() override {
    download_.reset();
    if (record_.state != TransferState::kDone) {
      Download::Remove(context_.folder, record_.id.Hex());
    }
  }
  void OnPause() override {
    if (!paused_ && running_) Acknowledge();
  }

  absl::Status OpenDownload() {
    P2P_ASSIGN_OR_RETURN(download_,
                         Download::Open(context_.folder, record_.id.Hex(), record_.size));
    return absl::OkStatus();
  }
  // Offered once more, after a cut or a restart of either side.
  bool OnOffer(const v1::FileOffer& offer) {
    if (offer.size() != record_.size || offer.sha256() != ToString(record_.sha256)) {
      Fail(kToldReoffered);
      return true;
    }
    if (record_.state == TransferState::kDone) SendDone();
    if (record_.state == TransferState::kCancelled || record_.state == TransferState::kFailed) {
      SendCancel();
    }
    if (record_.state == TransferState::kAccepted) Continue();
    return true;
  }
  void Continue() {
    if (running_ || hashing_ != nullptr) return;
    const absl::Status opened = OpenDownload();
    if (!opened.ok()) return FailHere(opened);
    Resume();
  }
  void FailHere(const absl::Status& status) {
    Fail(status.message(), absl::IsResourceExhausted(status) ? kToldNoRoom : kToldUnwritable);
  }
  // Says what is there already, proved by its hash, and waits for the rest.
  void Resume() {
    hashing_ = SlicedHash::Start(
        context_.io,
        [this](uint64_t offset, std::span<uint8_t> out) { return download_->Read(offset, out); },
        download_->written(),
        [this](absl::StatusOr<crypto::Sha256Stream> hash) {
          const auto held = std::exchange(hashing_, nullptr);
          if (!hash.ok()) return FailHere(hash.status());
          hash_ = *std::move(hash);
          if (download_->written() == record_.size && hash_.Digest() != record_.sha256) {
            // The length survived a power cut, the content did not.
            if (const absl::Status cleared = Anew(); !cleared.ok()) return FailHere(cleared);
          }
          Begin();
        });
  }
  absl::Status Anew() {
    hash_ = crypto::Sha256Stream();
    return download_->Restart();
  }
  void Begin() {
    v1::ChatFrame frame;
    v1::FileAccept& accept = *frame.mutable_file_accept();
    accept.set_file_id(ToString(record_.id.view()));
    accept.set_offset(download_->written());
    if (download_->written() > 0) accept.set_prefix_sha256(ToString(hash_.Digest()));
    Send(std::move(frame));
    running_ = true;
    first_ = true;
    acked_ = download_->written();
    progress_.Start(acked_, context_.clock.Mono());
    Tell();
    if (download_->written() == record_.size) Complete();
  }
  bool OnChunk(const v1::FileChunk& chunk) {
    if (!running_) return true;  // Was on its way when it ended here.
    const bool again = std::exchange(first_, false) && chunk.offset() == 0;
    if (again && download_->written() > 0) {
      // The sender has something else at that place.
      if (const absl::Status cleared = Anew(); !cleared.ok()) return FailHere(cleared), true;
      acked_ = 0;
    }
    const bool legal = chunk.offset() == download_->written() && !chunk.data().empty() &&
                       chunk.data().size() <= wire::kFileChunkSize;
    if (!legal) return false;
    if (chunk.data().size() > record_.size - download_->written()) {
      Fail(kToldTooMuch);
      return true;
    }
    if (const absl::Status kept = download_->Append(AsBytes(chunk.data())); !kept.ok()) {
      FailHere(kept);
      return true;
    }
    hash_.Update(AsBytes(chunk.data()));
    last_at_ = download_->written();
    TellProgress();
    if (last_at_ == record_.size) {
      Acknowledge();
      Complete();
    } else if (!paused_ && last_at_ - acked_ >= kAckEvery) {
      Acknowledge();
    }
    return true;
  }
  void Acknowledge() {
    acked_ = download_->written();
    v1::ChatFrame frame;
    frame.mutable_file_ack()->set_file_id(ToString(record_.id.view()));
    frame.mutable_file_ack()->set_offset(acked_);
    Send(std::move(frame));
  }
  void Complete() {
    if (hash_.Digest() != record_.sha256) {
      return Fail(kToldDiffers);
    }
    auto path = download_->Finish(record_.name);
    if (!path.ok()) return FailHere(path.status());
    record_.path = *std::move(path);
    SendDone();
    Become(TransferState::kDone);
  }
  void SendDone() {
    v1::ChatFrame frame;
    frame.mutable_file_done()->set_file_id(ToString(record_.id.view()));
    Send(std::move(frame));
  }

  std::unique_ptr<Download> download_;
  crypto::Sha256Stream hash_;
  uint64_t acked_ = 0;
  uint64_t last_at_ = 0;
  bool first_ = false;  // No chunk since the last FileAccept.
};

}  // namespace

std::unique_ptr<Transfer> MakeIncoming(const TransferContext& context, TransferRecord record) {
  return std::make_unique<Incoming>(context, std::move(record));
}

}  // namespace p2p::client
