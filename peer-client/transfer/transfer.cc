#include "peer-client/transfer/transfer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "peer-client/transfer/file_name.h"

namespace p2p::client {
namespace {

// How much the newest second counts.
constexpr double kSmooth = 0.4;

}  // namespace

void TransferProgress::Start(uint64_t at, MonoTime now) {
  told_ = now;
  told_at_ = at;
  rate_ = 0;
}

bool TransferProgress::Advance(uint64_t at, MonoTime now) {
  const double seconds = std::chrono::duration<double>(now - told_).count();
  if (seconds < 1) return false;
  const double newest = static_cast<double>(at - std::min(at, told_at_)) / seconds;
  rate_ = rate_ == 0 ? newest : rate_ * (1 - kSmooth) + newest * kSmooth;
  told_ = now;
  told_at_ = at;
  return true;
}

std::unique_ptr<Transfer> Transfer::Make(const TransferContext& context, TransferRecord record) {
  return record.incoming ? MakeIncoming(context, std::move(record))
                         : MakeOutgoing(context, std::move(record));
}

out::Transfer Transfer::Describe() const {
  out::Transfer out;
  out.peer = record_.peer;
  out.id = record_.id.Hex();
  out.name = record_.name;
  out.incoming = record_.incoming;
  out.bytes = record_.state == TransferState::kDone ? record_.size : at();
  out.size = record_.size;
  out.path = record_.path;
  out.reason = record_.reason;
  out.state = std::string(TransferStateName(record_.state));
  if (record_.state != TransferState::kAccepted) return out;
  out.state = paused_ ? "paused" : running_ ? "running" : "waiting";
  if (!running_ || paused_) return out;
  out.rate = progress_.rate();
  if (out.rate > 0) {
    const double seconds = static_cast<double>(record_.size - out.bytes) / out.rate;
    out.left = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }
  return out;
}

bool Transfer::NextControl(v1::ChatFrame& frame) {
  if (!open_ || control_.empty()) return false;
  frame = std::move(control_.front());
  control_.pop_front();
  return true;
}

void Transfer::Send(v1::ChatFrame frame) {
  std::erase_if(control_, [&](const v1::ChatFrame& older) {
    return older.frame_case() == frame.frame_case();
  });
  control_.push_back(std::move(frame));
  context_.wake(record_.peer);
}

void Transfer::SendCancel() {
  v1::ChatFrame frame;
  frame.mutable_file_cancel()->set_file_id(ToString(record_.id.view()));
  // Text of the protocol is UTF-8, and half a letter would end the connection.
  frame.mutable_file_cancel()->set_reason(std::string(CutTo(record_.told, wire::kMaxHangUpReason)));
  Send(std::move(frame));
}

bool Transfer::Become(TransferState state, absl::string_view reason) {
  record_.state = state;
  record_.reason = std::string(reason);
  const absl::Status kept = context_.store.Put(record_);
  if (!kept.ok()) {
    context_.show(out::Error{
        "DATA_LOSS",
        absl::StrCat("the transfer of ", record_.name, " is not remembered: ", kept.message()),
        ""});
  }
  if (record_.over()) {
    running_ = false;
    hashing_.reset();
    LetGo();
  }
  Tell();
  return kept.ok();
}

void Transfer::Fail(absl::string_view reason, absl::string_view told) {
  if (record_.over()) return;
  record_.told = std::string(told);
  SendCancel();
  Become(TransferState::kFailed, reason);
}

void Transfer::Cancel() {
  if (record_.over()) return;
  SendCancel();
  Become(TransferState::kCancelled, "by you");
}

void Transfer::Abandon(absl::string_view reason) {
  if (!record_.over()) Become(TransferState::kFailed, reason);
}

bool Transfer::OnCancel(const v1::FileCancel& cancel) {
  if (cancel.reason().size() > wire::kMaxHangUpReason) return false;
  if (record_.over()) return true;
  // Its words are not to be taken for ours.
  Become(TransferState::kCancelled, cancel.reason().empty()
                                        ? std::string("by the peer")
                                        : absl::StrCat("by the peer: ", cancel.reason()));
  return true;
}

void Transfer::Pause(bool on) {
  if (record_.over() || paused_ == on) return;
  paused_ = on;
  if (!on) progress_.Start(at(), context_.clock.Mono());
  OnPause();
  Tell();
  context_.wake(record_.peer);
}

void Transfer::TellProgress() {
  if (progress_.Advance(at(), context_.clock.Mono())) Tell();
}

}  // namespace p2p::client
