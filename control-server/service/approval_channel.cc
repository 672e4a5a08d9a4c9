#include "control-server/service/approval_channel.h"

#include <utility>

namespace p2p::server {

ApprovalChannel::ApprovalChannel(Hub& hub, ConnectionControl& connections, Duration close_delay,
                                 const Clock& clock, CallerPtr caller,
                                 const net::SocketAddress& peer, const Viewpoint& view)
    : hub_(hub),
      connections_(connections),
      close_delay_(close_delay),
      channel_(std::make_shared<ClientChannel>()) {
  channel_->caller = std::move(caller);
  channel_->peer = peer;
  channel_->view = view;
  channel_->outbox = std::make_shared<ChannelOutbox>(*this, clock);
  hub_.OnChannelOpened(channel_);
  channel_->outbox->Read();
}

void ApprovalChannel::ReadEvent() {
  reading_ = std::make_unique<v1::ClientEvent>();
  StartRead(reading_.get());
}

void ApprovalChannel::OnReadDone(bool ok) {
  if (ok) {
    hub_.OnChannelEvent(channel_, std::move(reading_));
  } else {
    // The client closed its side, or the stream broke: then OnCancel says so.
    channel_->outbox->End(nullptr, grpc::Status::OK);
  }
}

void ApprovalChannel::OnCancel() {
  broken_ = true;
  channel_->outbox->Abandon();
}

void ApprovalChannel::OnDone() {
  if (channel_->close_connection) connections_.Close(channel_->peer, close_delay_);
  const bool broken = broken_ || channel_->outbox->overflowed();
  hub_.OnChannelClosed(std::move(channel_),
                       broken ? Presence::End::kBroken : Presence::End::kClean);
  delete this;
}

}  // namespace p2p::server
