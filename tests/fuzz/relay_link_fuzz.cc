// Both ends of the link between the control-server and a udp-relay process: an order that is
// carried out is written again as the same order, within the limits; reports arrive as they were
// given; what a relay says of itself is an address to send to.
#include <google/protobuf/stubs/logging.h>

#include "common/base/check.h"
#include "common/wire/limits.h"
#include "control-server/relay_link/order_message.h"
#include "tests/fuzz/op_stream.h"
#include "udp-relay/link/messages.h"

namespace {

using namespace p2p;

constexpr MonoTime kNow{1h};

// Keeps the last order as the server would write it.
class KeepingPort final : public relay::RelayPort {
 public:
  void AddSession(ConnId session, Secret<32> psk) override {
    Keep(relay::AddSessionOrder{session, std::move(psk)});
  }
  void RemoveSession(ConnId session) override { Keep(relay::RemoveSessionOrder{session}); }
  void AddBroadcast(relay::SignedBroadcastPtr broadcast, MonoTime expires) override {
    P2P_CHECK(broadcast->text.size() <= wire::kMaxBroadcastText);
    P2P_CHECK(expires >= kNow && expires <= kNow + 30min);
    Keep(relay::AddBroadcastOrder{std::move(broadcast), expires});
  }
  void RemoveBroadcast(BroadcastId broadcast) override {
    Keep(relay::RemoveBroadcastOrder{broadcast});
  }
  void Queue(ConnId session, BroadcastId broadcast) override {
    reports.push_back(relay::DeliveredReport{session, broadcast});
    reports.push_back(relay::ReachableReport{session, broadcast.bytes[0] % 2 == 0});
    Keep(relay::QueueOrder{session, broadcast});
  }
  size_t kept() const { return kept_; }
  std::optional<server::LinkOrder> order;
  std::vector<relay::Report> reports;

 private:
  void Keep(server::LinkOrder kept) {
    order = std::move(kept);
    ++kept_;
  }
  size_t kept_ = 0;
};

void CheckOrder(const v1::RelayOrder& order, std::vector<relay::Report>& reports) {
  KeepingPort port;
  const bool done = relay::CarryOut(order, kNow, port);
  P2P_CHECK(port.kept() == (done ? 1 : 0));
  if (!done) return;
  reports.insert(reports.end(), port.reports.begin(), port.reports.end());
  v1::RelayOrder written;
  const bool expired = order.has_add_broadcast() && order.add_broadcast().expires_in_ms() == 0;
  P2P_CHECK(server::FillOrder(*port.order, kNow, written) == !expired);
  if (expired) return;
  KeepingPort again;
  P2P_CHECK(relay::CarryOut(written, kNow, again));
  v1::RelayOrder twice;
  P2P_CHECK(server::FillOrder(*again.order, kNow, twice));
  P2P_CHECK(written.SerializeAsString() == twice.SerializeAsString());
}

void CheckReports(const std::vector<relay::Report>& reports) {
  v1::RelayReports message;
  P2P_CHECK(message.ParseFromString(relay::ToMessage(reports).SerializeAsString()));
  P2P_CHECK(message.reports_size() == static_cast<int>(reports.size()));
  for (size_t i = 0; i < reports.size(); ++i) {
    const v1::RelayReport& report = message.reports(static_cast<int>(i));
    if (const auto* delivered = std::get_if<relay::DeliveredReport>(&reports[i])) {
      P2P_CHECK(ConnId::FromBytes(AsBytes(report.delivered().conn_id())) == delivered->session);
      P2P_CHECK(BroadcastId::FromBytes(AsBytes(report.delivered().broadcast_id())) ==
                delivered->broadcast);
    } else {
      const auto& state = std::get<relay::ReachableReport>(reports[i]);
      P2P_CHECK(report.session_state().reachable() == state.reachable);
    }
  }
}

void CheckRegister(const v1::RelayRegister& registration) {
  const auto here = *net::IpAddress::Parse("10.0.0.1");
  for (const char* from : {"10.0.0.1", "10.0.0.2", "127.0.0.1", "fd00::2"}) {
    const auto address = server::AddressOf(registration, *net::IpAddress::Parse(from), here);
    if (!address.ok()) {
      P2P_CHECK(absl::IsInvalidArgument(address.status()));
      continue;
    }
    P2P_CHECK(address->port != 0 && address->port == registration.advertise_port());
    if (address->ip_address.empty()) continue;
    const auto ip = net::IpAddress::Parse(address->ip_address);
    P2P_CHECK(ip && !ip->IsUnspecified() && !ip->IsMulticast() && !ip->IsBroadcast());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // It would tell of everything that cannot be parsed.
  fuzz::OpStream in(ByteView(data, size));
  const bool up = in.U8() % 2 != 0;
  const ByteView bytes = in.Take(size);
  if (up) {
    v1::RelayReports message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return 0;
    for (const auto& report : message.reports()) CheckRegister(report.register_());
    return 0;
  }
  v1::RelayOrders message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return 0;
  std::vector<relay::Report> reports;
  for (const auto& order : message.orders()) CheckOrder(order, reports);
  CheckReports(reports);
  return 0;
}
