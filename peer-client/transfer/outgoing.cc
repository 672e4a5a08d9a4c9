// The sending side of a transfer.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "peer-client/transfer/transfer.h"

namespace p2p::client {
namespace {

class Outgoing final : public Transfer {
 public:
  Outgoing(const TransferContext& context, TransferRecord record)
      : Transfer(context, std::move(record)) {
    if (record_.state == TransferState::kHashing) Prepare();
  }

  void OnOpen() override {
    open_ = true;
    if (record_.state == TransferState::kOffered || record_.state == TransferState::kAccepted) {
      Announce();
    }
  }
  void OnClosed() override {
    open_ = running_ = false;
    control_.clear();
    if (record_.state == TransferState::kAccepted) hashing_.reset();
  }
  bool OnFrame(const v1::ChatFrame& frame) override {
    switch (frame.frame_case()) {
      case v1::ChatFrame::kFileAccept:
        return OnAccept(frame.file_accept());
      case v1::ChatFrame::kFileAck:
        return OnAck(frame.file_ack().offset());
      case v1::ChatFrame::kFileDone:
        if (record_.state == TransferState::kAccepted) Become(TransferState::kDone);
        return true;
      case v1::ChatFrame::kFileCancel:
        return OnCancel(frame.file_cancel());
      default:
        return false;  // Offers and content come from who sends.
    }
  }
  bool NextChunk(v1::ChatFrame& frame) override {
    if (!running_ || paused_ || next_ == record_.size || next_ - acked_ >= kSendWindow) {
      return false;
    }
    std::string data(std::min<uint64_t>(wire::kFileChunkSize, record_.size - next_), '\0');
    const auto n =
        source_->Read(next_, std::span(reinterpret_cast<uint8_t*>(data.data()), data.size()));
    if (!n.ok()) {
      FailHere(n.status());
      return false;
    }
    data.resize(*n);
    v1::FileChunk& chunk = *frame.mutable_file_chunk();
    chunk.set_file_id(ToString(record_.id.view()));
    chunk.set_offset(next_);
    next_ += data.size();
    chunk.set_data(std::move(data));
    return true;
  }

 private:
  uint64_t at() const override { return acked_; }
  void LetGo() override { source_.reset(); }

  void FailHere(const absl::Status& status) {
    if (absl::IsFailedPrecondition(status)) return Fail(kToldChanged);
    Fail(status.message(), kToldUnreadable);
  }
  bool OpenSource() {
    if (source_ != nullptr) return true;
    auto source = SourceFile::Open(record_.path);
    if (!source.ok()) {
      Fail(source.status().message(), kToldUnreadable);
      return false;
    }
    if (record_.state != TransferState::kHashing &&
        ((*source)->size() != record_.size || (*source)->modified_ns() != record_.modified_ns)) {
      Fail(kToldChanged);
      return false;
    }
    source_ = *std::move(source);
    return true;
  }
  void Hash(uint64_t length, std::function<void(const crypto::Digest256&)> then) {
    hashing_ = SlicedHash::Start(
        context_.io,
        [this](uint64_t offset, std::span<uint8_t> out) { return source_->Read(offset, out); },
        length,
        [this, then = std::move(then)](absl::StatusOr<crypto::Sha256Stream> hash) {
          const auto held = std::exchange(hashing_, nullptr);
          if (!hash.ok()) return FailHere(hash.status());
          then(hash->Digest());
        });
  }
  void Prepare() {
    auto source = SourceFile::Open(record_.path);
    if (!source.ok()) {
      record_.state = TransferState::kFailed;
      record_.reason = std::string(source.status().message());
      return;
    }
    source_ = *std::move(source);
    record_.size = source_->size();
    record_.modified_ns = source_->modified_ns();
    Hash(record_.size, [this](const crypto::Digest256& digest) {
      record_.sha256 = digest;
      if (Become(TransferState::kOffered) && open()) Announce();
    });
  }
  void Announce() {
    v1::ChatFrame frame;
    v1::FileOffer& offer = *frame.mutable_file_offer();
    offer.set_file_id(ToString(record_.id.view()));
    offer.set_name(record_.name);
    offer.set_size(record_.size);
    offer.set_sha256(ToString(record_.sha256));
    Send(std::move(frame));
  }
  bool OnAccept(const v1::FileAccept& accept) {
    if (record_.over()) return SendCancel(), true;  // It was given up while nobody could say so.
    if (record_.state == TransferState::kHashing) return true;
    if (accept.offset() > record_.size || running_ || hashing_ != nullptr) return false;
    if (!OpenSource()) return true;
    if (record_.state == TransferState::kOffered) Become(TransferState::kAccepted);
    if (accept.offset() == 0) {
      Begin(0);
      return true;
    }
    Hash(accept.offset(),
         [this, offset = accept.offset(), theirs = accept.prefix_sha256()](const auto& ours) {
           if (open()) Begin(theirs == ToString(ours) ? offset : 0);
         });
    return true;
  }
  void Begin(uint64_t offset) {
    next_ = acked_ = offset;
    running_ = true;
    progress_.Start(offset, context_.clock.Mono());
    Tell();
    context_.wake(record_.peer);
  }
  bool OnAck(uint64_t offset) {
    if (!running_) return true;
    if (offset > next_) return false;
    acked_ = std::max(acked_, offset);
    TellProgress();
    return true;
  }

  std::unique_ptr<SourceFile> source_;
  uint64_t next_ = 0;   // To be sent.
  uint64_t acked_ = 0;  // Everything below is written over there.
};

}  // namespace

std::unique_ptr<Transfer> MakeOutgoing(const TransferContext& context, TransferRecord record) {
  return std::make_unique<Outgoing>(context, std::move(record));
}

}  // namespace p2p::client
