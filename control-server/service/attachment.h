// One attached client, as the parts that live on the hub thread see it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "common/base/id.h"
#include "common/net/address.h"
#include "control-server/domain/records.h"
#include "p2p/v1/peering.pb.h"

namespace p2p::server {

// The way down an ApprovalChannel. Thread-safe, never blocks. Events of one caller keep their
// order.
class ChannelSink {
 public:
  virtual ~ChannelSink() = default;
  // False when the channel is closed or its queue is full (then it is being cut); the event is
  // dropped.
  virtual bool Push(std::shared_ptr<const v1::ServerEvent> event) = 0;
  // For what many channels share and what can be plenty at once, such as the broadcasts that wait
  // for a late joiner: goes out after everything that was pushed, as fast as the client reads, and
  // is not counted as bytes waiting. False: closed, or too many wait; the event is dropped, the
  // channel goes on.
  virtual bool PushShared(std::shared_ptr<const v1::ServerEvent> event) {
    return Push(std::move(event));
  }
};

struct Attachment {
  UserId user;
  std::string username;
  ConnId conn;  // Fresh for each attach.
  net::SocketAddress peer;
  std::shared_ptr<ChannelSink> channel;
};

// Hub thread only. May call the attachment's channel and the relay port, not the hub.
class AttachmentListener {
 public:
  virtual ~AttachmentListener() = default;
  // After `Attached` was pushed and the relay session exists.
  virtual void OnAttached(const Attachment& attachment) = 0;
  // The channel is gone (no grace: that is presence, not delivery).
  virtual void OnDetached(UserId user, ConnId conn) = 0;
  // `shown`: by which way it came first, as the client says; kNone: it does not say.
  virtual void OnBroadcastAck(UserId user, ConnId conn, BroadcastId broadcast,
                              DeliveryVia shown) = 0;
};

}  // namespace p2p::server
