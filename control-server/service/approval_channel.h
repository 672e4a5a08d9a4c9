// The ApprovalChannel call: carries events between gRPC and the hub, decides nothing.
#pragma once

#include <atomic>
#include <memory>

#include "control-server/service/hub.h"
#include "grpcpp/grpcpp.h"

namespace p2p::server {

// Owns itself: deleted in OnDone.
class ApprovalChannel final : public grpc::ServerBidiReactor<v1::ClientEvent, v1::ServerEvent>,
                              public ChannelDriver {
 public:
  ApprovalChannel(Hub& hub, ConnectionControl& connections, Duration close_delay,
                  const Clock& clock, CallerPtr caller, const net::SocketAddress& peer,
                  const Viewpoint& view);

 private:
  // ChannelDriver.
  void WriteEvent(const v1::ServerEvent& event) override { StartWrite(&event); }
  void ReadEvent() override;
  void FinishCall(const grpc::Status& status) override { Finish(status); }

  // ServerBidiReactor.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override { channel_->outbox->OnWritten(ok); }
  void OnCancel() override;
  void OnDone() override;

  Hub& hub_;
  ConnectionControl& connections_;
  const Duration close_delay_;
  ChannelPtr channel_;
  std::unique_ptr<v1::ClientEvent> reading_;
  std::atomic<bool> broken_{false};
};

}  // namespace p2p::server
