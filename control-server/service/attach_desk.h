// The life of an attachment: Attach, take-over, the relay session that goes with it, and its end.
// Hub thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/base/random.h"
#include "common/relay/relay_port.h"
#include "control-server/service/attached_clients.h"
#include "control-server/service/attachment.h"
#include "control-server/service/channel_events.h"
#include "control-server/service/presence_board.h"
#include "control-server/service/request_desk.h"

namespace p2p::server {

// Where clients find the relay.
struct RelayEndpoint {
  std::string ip_address;  // Empty: the address at which the client reaches the control-server.
  uint16_t port = 0;       // 0: nowhere at present.
};
// Where it is at the moment: a relay that links itself may come, go and move.
using FindRelay = std::function<RelayEndpoint()>;

class AttachDesk {
 public:
  // `relay` may be null: broadcasts then travel by channel alone.
  AttachDesk(const config::Timing& timing, const Clock& clock, Random& random,
             relay::RelayPort* relay, FindRelay find_relay, AttachedClients& clients,
             PresenceBoard& board, RequestDesk& requests)
      : timing_(timing),
        clock_(clock),
        random_(random),
        relay_(relay),
        find_relay_(std::move(find_relay)),
        clients_(clients),
        board_(board),
        requests_(requests) {}

  void SetListener(AttachmentListener* listener) { listener_ = listener; }

  // Attaches the channel, or ends it with the reason why not.
  void Attach(const ChannelPtr& channel, const v1::Attach& attach);
  // The call is over. Nothing happens when the channel was not attached (any more).
  void OnClosed(const ChannelPtr& channel, Presence::End end);
  // Takes the user off the list at once; the attachment, if there is one, ends with these.
  void Expel(UserId user, EventPtr last, const grpc::Status& status, bool close_connection);
  // Takes those off the list who did not come back in time.
  void ExpireGrace();
  void OnBroadcastAck(const ChannelPtr& channel, BroadcastId broadcast, DeliveryVia shown);
  // The relay lost its sessions: gives it fresh ones and tells the clients.
  void OnRelayRestarted();

 private:
  void Replace(UserId user);
  void Welcome(const ChannelPtr& channel, uint16_t chat_port, bool watches_presence);
  EventPtr AttachedEvent(const ClientChannel& channel, const Secret<32>& psk) const;
  v1::Endpoint RelayAddress() const;
  // Ends relay session and delivery; presence is the caller's business.
  void Unhook(ClientChannel& channel);

  const config::Timing timing_;
  const Clock& clock_;
  Random& random_;
  relay::RelayPort* const relay_;
  const FindRelay find_relay_;
  AttachedClients& clients_;
  PresenceBoard& board_;
  RequestDesk& requests_;
  AttachmentListener* listener_ = nullptr;
};

}  // namespace p2p::server
