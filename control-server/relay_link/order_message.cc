#include "control-server/relay_link/order_message.h"

#include "common/wire/limits.h"

namespace p2p::server {

bool FillOrder(const LinkOrder& order, MonoTime now, v1::RelayOrder& out) {
  return std::visit(
      relay::Overloaded{
          [&](const relay::AddSessionOrder& o) {
            out.mutable_add_session()->set_conn_id(ToString(o.session.view()));
            out.mutable_add_session()->set_psk(ToString(o.psk.view()));
            return true;
          },
          [&](const relay::RemoveSessionOrder& o) {
            out.mutable_remove_session()->set_conn_id(ToString(o.session.view()));
            return true;
          },
          [&](const relay::AddBroadcastOrder& o) {
            const auto left = std::chrono::floor<std::chrono::milliseconds>(o.expires - now);
            if (left.count() <= 0) return false;
            auto& add = *out.mutable_add_broadcast();
            add.set_broadcast_id(ToString(o.broadcast->id.view()));
            add.set_signed_object(ToString(o.broadcast->signed_object));
            add.set_signature(ToString(o.broadcast->signature));
            add.set_text(o.broadcast->text);
            add.set_expires_in_ms(static_cast<uint32_t>(left.count()));
            return true;
          },
          [&](const relay::RemoveBroadcastOrder& o) {
            out.mutable_remove_broadcast()->set_broadcast_id(ToString(o.broadcast.view()));
            return true;
          },
          [&](const relay::QueueOrder& o) {
            out.mutable_queue()->set_conn_id(ToString(o.session.view()));
            out.mutable_queue()->set_broadcast_id(ToString(o.broadcast.view()));
            return true;
          },
          [](const relay::QueueForAllOrder&) { return false; },
          [&](const RegisteredOrder&) {
            out.mutable_registered();
            return true;
          },
      },
      order);
}

absl::StatusOr<RelayAddress> AddressOf(const v1::RelayRegister& registration,
                                       const net::IpAddress& peer,
                                       const std::optional<net::IpAddress>& local) {
  if (registration.version().size() > wire::kMaxClientVersion) {
    return absl::InvalidArgumentError("version is longer than 64 bytes");
  }
  if (registration.advertise_port() == 0 || registration.advertise_port() > UINT16_MAX) {
    return absl::InvalidArgumentError("advertise_port must be 1 to 65535");
  }
  RelayAddress address;
  address.port = static_cast<uint16_t>(registration.advertise_port());
  if (!registration.advertise_address().empty()) {
    const auto ip = net::IpAddress::Parse(registration.advertise_address());
    if (!ip || ip->IsUnspecified() || ip->IsMulticast() || ip->IsBroadcast()) {
      return absl::InvalidArgumentError("advertise_address is not an address to send to");
    }
    address.ip_address = ip->ToString();
  } else if (!peer.IsLoopback() && peer != local) {
    address.ip_address = peer.ToString();  // Another host: not where the server is.
  }
  return address;
}

}  // namespace p2p::server
