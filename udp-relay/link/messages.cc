#include "udp-relay/link/messages.h"

#include <algorithm>
#include <optional>

#include "common/wire/limits.h"

namespace p2p::relay {
namespace {

std::optional<ConnId> SessionOf(const std::string& bytes) {
  return ConnId::FromBytes(AsBytes(bytes));
}
std::optional<BroadcastId> BroadcastOf(const std::string& bytes) {
  return BroadcastId::FromBytes(AsBytes(bytes));
}

bool AddSession(const v1::RelayAddSession& order, RelayPort& port) {
  const auto session = SessionOf(order.conn_id());
  Secret<32> psk;
  if (!session || order.psk().size() != psk.view().size()) return false;
  std::copy(order.psk().begin(), order.psk().end(), psk.mutable_view().begin());
  port.AddSession(*session, std::move(psk));
  return true;
}

bool AddBroadcast(const v1::RelayAddBroadcast& order, MonoTime now, RelayPort& port) {
  const auto id = BroadcastOf(order.broadcast_id());
  auto broadcast = std::make_shared<SignedBroadcast>();
  if (!id || order.signature().size() != broadcast->signature.size() ||
      order.text().size() > wire::kMaxBroadcastText ||
      order.expires_in_ms() > wire::kMaxBroadcastTtlSeconds * 1000) {
    return false;
  }
  broadcast->id = *id;
  broadcast->signed_object = ToBytes(AsBytes(order.signed_object()));
  std::copy(order.signature().begin(), order.signature().end(), broadcast->signature.begin());
  broadcast->text = order.text();
  port.AddBroadcast(std::move(broadcast), now + std::chrono::milliseconds(order.expires_in_ms()));
  return true;
}

}  // namespace

v1::RelayReports ToMessage(const std::vector<Report>& reports) {
  v1::RelayReports message;
  for (const Report& report : reports) {
    v1::RelayReport& out = *message.add_reports();
    if (const auto* delivered = std::get_if<DeliveredReport>(&report)) {
      out.mutable_delivered()->set_conn_id(ToString(delivered->session.view()));
      out.mutable_delivered()->set_broadcast_id(ToString(delivered->broadcast.view()));
    } else if (const auto* state = std::get_if<ReachableReport>(&report)) {
      out.mutable_session_state()->set_conn_id(ToString(state->session.view()));
      out.mutable_session_state()->set_reachable(state->reachable);
    }
  }
  return message;
}

bool CarryOut(const v1::RelayOrder& order, MonoTime now, RelayPort& port) {
  switch (order.order_case()) {
    case v1::RelayOrder::kAddSession:
      return AddSession(order.add_session(), port);
    case v1::RelayOrder::kRemoveSession: {
      const auto session = SessionOf(order.remove_session().conn_id());
      if (session) port.RemoveSession(*session);
      return session.has_value();
    }
    case v1::RelayOrder::kAddBroadcast:
      return AddBroadcast(order.add_broadcast(), now, port);
    case v1::RelayOrder::kRemoveBroadcast: {
      const auto broadcast = BroadcastOf(order.remove_broadcast().broadcast_id());
      if (broadcast) port.RemoveBroadcast(*broadcast);
      return broadcast.has_value();
    }
    case v1::RelayOrder::kQueue: {
      const auto session = SessionOf(order.queue().conn_id());
      const auto broadcast = BroadcastOf(order.queue().broadcast_id());
      if (!session || !broadcast) return false;
      port.Queue(*session, *broadcast);
      return true;
    }
    case v1::RelayOrder::kRegistered:
    case v1::RelayOrder::ORDER_NOT_SET:
      return false;
  }
  return false;
}

}  // namespace p2p::relay
