#include "control-server/service/channel_outbox.h"

#include <utility>

#include "common/base/check.h"

namespace p2p::server {
namespace {

std::shared_ptr<const v1::ServerEvent> TooSlow() {
  auto event = std::make_shared<v1::ServerEvent>();
  event->mutable_detached()->set_reason(v1::Detached::TOO_SLOW);
  event->mutable_detached()->set_message("events were read too slowly");
  return event;
}

}  // namespace

bool ChannelOutbox::Push(std::shared_ptr<const v1::ServerEvent> event) {
  bool taken = false;
  {
    MutexLock lock(mu_);
    if (ending_) return false;
    taken = queue_.size() < kMaxEvents && bytes_ + event->ByteSizeLong() <= kMaxBytes;
    if (taken) {
      Append(std::move(event));
    } else {
      DropWaiting();
      Append(TooSlow());
      ending_ = overflowed_ = true;
      status_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "events were read too slowly");
    }
  }
  Drive();
  return taken;
}

bool ChannelOutbox::PushShared(std::shared_ptr<const v1::ServerEvent> event) {
  {
    MutexLock lock(mu_);
    if (ending_ || shared_.size() == kMaxShared) return false;
    shared_.push_back(std::move(event));
  }
  Drive();
  return true;
}

void ChannelOutbox::Read() {
  {
    MutexLock lock(mu_);
    want_read_ = true;
  }
  Drive();
}

void ChannelOutbox::End(std::shared_ptr<const v1::ServerEvent> last, grpc::Status status) {
  {
    MutexLock lock(mu_);
    if (ending_) return;
    ending_ = true;
    status_ = std::move(status);
    if (last != nullptr) Append(std::move(last));
  }
  Drive();
}

void ChannelOutbox::Abandon() {
  {
    MutexLock lock(mu_);
    DropWaiting();
    if (!ending_) status_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
    ending_ = true;
  }
  Drive();
}

void ChannelOutbox::OnWritten(bool ok) {
  {
    MutexLock lock(mu_);
    P2P_CHECK(writing_);
    writing_ = false;
    bytes_ -= queue_.front().bytes;
    queue_.pop_front();
    if (!ok) {  // The stream is broken; its cancellation is on the way.
      DropWaiting();
      if (!ending_) status_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
      ending_ = true;
    }
  }
  Drive();
}

std::optional<MonoTime> ChannelOutbox::WritingSince() const {
  MutexLock lock(mu_);
  if (!writing_) return std::nullopt;
  return writing_since_;
}

bool ChannelOutbox::overflowed() const {
  MutexLock lock(mu_);
  return overflowed_;
}

void ChannelOutbox::Append(std::shared_ptr<const v1::ServerEvent> event) {
  const size_t bytes = event->ByteSizeLong();
  queue_.push_back({std::move(event), bytes});
  bytes_ += bytes;
}

void ChannelOutbox::RefillFromShared() {
  if (ending_ || writing_ || !queue_.empty() || shared_.empty()) return;
  Append(std::move(shared_.front()));
  shared_.pop_front();
}

void ChannelOutbox::DropWaiting() {
  shared_.clear();
  while (queue_.size() > (writing_ ? 1u : 0u)) {
    bytes_ -= queue_.back().bytes;
    queue_.pop_back();
  }
}

ChannelOutbox::Step ChannelOutbox::Next() {
  if (starting_ || finished_) return Step::kNone;
  RefillFromShared();
  if (!writing_ && !queue_.empty()) {
    writing_ = true;
    writing_since_ = clock_.Mono();
    return Step::kWrite;
  }
  if (ending_) {
    if (writing_) return Step::kNone;
    finished_ = true;
    return Step::kFinish;
  }
  if (std::exchange(want_read_, false)) return Step::kRead;
  return Step::kNone;
}

void ChannelOutbox::Drive() {
  while (true) {
    Step step = Step::kNone;
    std::shared_ptr<const v1::ServerEvent> event;
    grpc::Status status;
    {
      MutexLock lock(mu_);
      step = Next();
      if (step == Step::kNone) return;
      starting_ = true;
      if (step == Step::kWrite) event = queue_.front().event;
      if (step == Step::kFinish) status = status_;
    }
    switch (step) {
      case Step::kNone:
        return;
      case Step::kWrite:
        driver_.WriteEvent(*event);
        break;
      case Step::kRead:
        driver_.ReadEvent();
        break;
      case Step::kFinish:
        driver_.FinishCall(status);  // The driver may be gone when this returns.
        return;
    }
    MutexLock lock(mu_);
    starting_ = false;
  }
}

}  // namespace p2p::server
