#include "peer-client/control/approval_stream.h"

#include <asio/post.hpp>
#include <utility>

namespace p2p::client {

ApprovalStream::ApprovalStream(asio::io_context& loop, Callbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)) {}

void ApprovalStream::Start(v1::PeeringService::Stub& stub) {
  stub.async()->ApprovalChannel(&context_, this);
  AddHold();  // After the call is bound, before it starts.
  held_ = true;
  StartRead(&incoming_);
  StartCall();
}

void ApprovalStream::Send(v1::ClientEvent event) {
  if (!held_ || closed_ || close_when_written_ || queue_.size() >= kMaxQueued) {
    ++dropped_;
    return;
  }
  queue_.push_back(std::move(event));
  WriteNext();
}

void ApprovalStream::WriteNext() {
  if (!held_ || writing_) return;
  if (!queue_.empty()) {
    writing_ = true;
    StartWrite(&queue_.front());
  } else if (close_when_written_ && !closed_) {
    closed_ = true;
    StartWritesDone();
  }
}

void ApprovalStream::Next() {
  if (held_) StartRead(&incoming_);
}

void ApprovalStream::CloseSend() {
  close_when_written_ = true;
  WriteNext();
}

void ApprovalStream::OnReadDone(bool ok) {
  asio::post(loop_, [this, weak = std::weak_ptr<bool>(alive_), ok] {
    if (weak.expired()) return;
    if (ok) {
      if (held_) callbacks_.on_event(incoming_);
    } else {
      StopUsing();
    }
  });
}

void ApprovalStream::OnWriteDone(bool ok) {
  asio::post(loop_, [this, weak = std::weak_ptr<bool>(alive_), ok] {
    if (!weak.expired()) WriteDone(ok);
  });
}

void ApprovalStream::WriteDone(bool ok) {
  writing_ = false;
  if (!queue_.empty()) queue_.pop_front();
  if (!ok) queue_.clear();  // The stream is broken; its end is on the way.
  if (ok) WriteNext();
}

// No operation is started from here on: the library may finish the stream.
void ApprovalStream::StopUsing() {
  if (!held_) return;
  held_ = false;
  RemoveHold();
}

void ApprovalStream::Abandon() {
  Cancel();
  StopUsing();
}

void ApprovalStream::OnDone(const grpc::Status& status) {
  // The posted end may destroy this object at once.
  const auto released = callbacks_.on_released;
  asio::post(loop_, [on_end = callbacks_.on_end, status] { on_end(status); });
  released();
}

}  // namespace p2p::client
