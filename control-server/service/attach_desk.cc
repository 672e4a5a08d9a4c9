#include "control-server/service/attach_desk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "control-server/service/errors.h"
#include "control-server/service/peering_fields.h"

namespace p2p::server {

void AttachDesk::Attach(const ChannelPtr& channel, const v1::Attach& attach) {
  const Caller& caller = *channel->caller;
  const auto chat_port = CheckChatPort(attach, caller.token.chat_port);
  if (!chat_port.ok()) return channel->outbox->End(nullptr, ToGrpc(chat_port.status()));

  const ActiveUser client{
      .user = caller.user, .username = caller.username, .seen = channel->view.own};
  const ConnId conn = random_.NewId<ConnId>();
  const auto result = board_.Attach(client, conn, caller.session(), attach.take_over());
  if (result.busy_at) {
    return channel->outbox->End(
        nullptr, grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                              absl::StrCat(caller.username, " is attached from ",
                                           AddressFor(channel->view, *result.busy_at).ToString())));
  }
  if (result.replaced) Replace(caller.user);
  channel->conn = conn;
  Welcome(channel, *chat_port, attach.watch_presence());
  requests_.OnAttached(caller.user);
}

void AttachDesk::OnClosed(const ChannelPtr& channel, Presence::End end) {
  if (!channel->conn) return;
  const UserId user = channel->caller->user;
  const ConnId conn = *channel->conn;
  Unhook(*channel);
  clients_.Erase(user);
  if (end == Presence::End::kBroken) requests_.OnBroken(user, conn);
  if (board_.Detach(user, conn, end)) requests_.OnLeft(user);
}

void AttachDesk::Expel(UserId user, EventPtr last, const grpc::Status& status,
                       bool close_connection) {
  if (const AttachedClient* client = clients_.Find(user)) {
    const ChannelPtr channel = client->channel;
    Unhook(*channel);
    clients_.Erase(user);
    channel->close_connection = close_connection;
    channel->outbox->End(std::move(last), status);
  }
  if (board_.Remove(user)) requests_.OnLeft(user);
}

void AttachDesk::ExpireGrace() {
  for (const ActiveUser& gone : board_.ExpireGrace()) requests_.OnLeft(gone.user);
}

void AttachDesk::OnBroadcastAck(const ChannelPtr& channel, BroadcastId broadcast,
                                DeliveryVia shown) {
  if (!channel->conn || listener_ == nullptr) return;
  listener_->OnBroadcastAck(channel->caller->user, *channel->conn, broadcast, shown);
}

void AttachDesk::OnRelayRestarted() {
  if (relay_ == nullptr) return;
  clients_.ForEach([this](const UserId&, const AttachedClient& client) {
    Secret<32> psk(random_.Array<32>());
    auto event = std::make_shared<v1::ServerEvent>();
    auto& out = *event->mutable_relay_restarted();
    out.set_conn_id(ToString(client.conn.view()));
    out.set_relay_psk(ToString(psk.view()));
    *out.mutable_relay() = RelayAddress();
    relay_->AddSession(client.conn, std::move(psk));
    client.channel->outbox->Push(std::move(event));
  });
}

void AttachDesk::Replace(UserId user) {
  const AttachedClient* client = clients_.Find(user);
  P2P_CHECK(client != nullptr);
  const ChannelPtr old = client->channel;
  Unhook(*old);
  clients_.Erase(user);
  const std::string text = "another client of this account took over";
  old->outbox->End(DetachedEvent(v1::Detached::TAKEN_OVER, text),
                   grpc::Status(grpc::StatusCode::ABORTED, text));
}

void AttachDesk::Welcome(const ChannelPtr& channel, uint16_t chat_port, bool watches_presence) {
  const Caller& caller = *channel->caller;
  clients_.Put(caller.user, AttachedClient{.channel = channel,
                                           .conn = *channel->conn,
                                           .chat_port = chat_port,
                                           .watches_presence = watches_presence});
  Secret<32> psk(random_.Array<32>());
  const EventPtr attached = AttachedEvent(*channel, psk);
  if (relay_ != nullptr) relay_->AddSession(*channel->conn, std::move(psk));
  channel->outbox->Push(attached);
  if (listener_ == nullptr) return;
  listener_->OnAttached(Attachment{.user = caller.user,
                                   .username = caller.username,
                                   .conn = *channel->conn,
                                   .peer = channel->peer,
                                   .channel = channel->outbox});
}

EventPtr AttachDesk::AttachedEvent(const ClientChannel& channel, const Secret<32>& psk) const {
  auto event = std::make_shared<v1::ServerEvent>();
  auto& out = *event->mutable_attached();
  out.set_conn_id(ToString(channel.conn->view()));
  *out.mutable_relay() = RelayAddress();
  if (out.relay().port() != 0) out.set_relay_psk(ToString(psk.view()));
  *out.mutable_server_time() = ToProto(clock_.Wall());
  // All clients of a server that went away come back within W: at most 500 a second.
  const Duration spread = clients_.size() * Duration(1s) / 500;
  out.set_reconnect_window_ms(
      static_cast<uint32_t>(std::max(timing_.reconnect_window_min, spread) / 1ms));
  out.set_broadcast_retention_s(static_cast<uint32_t>(timing_.retention / 1s));
  out.set_observed_ip_address(channel.view.own.ToString());
  return event;
}

v1::Endpoint AttachDesk::RelayAddress() const {
  v1::Endpoint endpoint;
  if (relay_ == nullptr) return endpoint;
  const RelayEndpoint found = find_relay_();
  endpoint.set_ip_address(found.ip_address);
  endpoint.set_port(found.port);
  return endpoint;
}

void AttachDesk::Unhook(ClientChannel& channel) {
  const ConnId conn = *std::exchange(channel.conn, std::nullopt);
  if (relay_ != nullptr) relay_->RemoveSession(conn);
  if (listener_ != nullptr) listener_->OnDetached(channel.caller->user, conn);
}

}  // namespace p2p::server
