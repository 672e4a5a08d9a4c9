// One open ApprovalChannel, attached or not yet, as the reactor and the hub share it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "control-server/domain/viewpoint.h"
#include "control-server/service/channel_outbox.h"
#include "control-server/service/session_table.h"

namespace p2p::server {

struct ClientChannel {
  CallerPtr caller;
  net::SocketAddress peer;
  Viewpoint view;
  std::shared_ptr<ChannelOutbox> outbox;
  // Set before the end: the connection is to be shut down once the status is out.
  std::atomic<bool> close_connection{false};

  // Hub thread only.
  MonoTime opened;
  bool attach_seen = false;
  std::optional<ConnId> conn;  // Set while this is the account's attachment.
};
using ChannelPtr = std::shared_ptr<ClientChannel>;

}  // namespace p2p::server
